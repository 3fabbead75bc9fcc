// What stands in the label column of a data set, by what its task wants:
//   kClass         a name
//   kValue         a number
//   kLabels        a list of names, or names separated by "|"; none is an answer too
//   kTokenClasses  a list of names, or names separated by spaces: one for every word
//   kWords         of pairs: "0" where the second text follows the first, "1" where it does not
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/spec/table.h"
#include "core/spec/targets.h"
#include "core/spec/tasks.h"

namespace espalier {

// Labels are stored and sent with every answer about a data set.
inline constexpr size_t kMaxLabels = 10000, kMaxLabelBytes = 200, kMaxLabelsBytes = 64 << 10;

// Ids of a kWords label, as Hugging Face's next_sentence_label; -1: not known, and such a row still
// has words to ask for.
enum class NextSentence { kNotKnown = -1, kFollows = 0, kRandom = 1 };
// Their names; none without pairs.
std::vector<std::string> next_sentence_names(bool has_pairs);

// Appends the target of a row of which no label is known.
void add_not_known(Objective objective, Targets& out);

// A label column; its names are for messages.
struct LabelColumn {
  std::string path, column, text_column;
  Objective objective = Objective::kClass;
  bool of_train = false;  // whose rows without labels could be another split
};

// Whether a cell says nothing: it is null or an empty text.
bool is_unlabelled(const Cell& cell);

// The different names in a column, cell by cell.
class DistinctLabels {
 public:
  explicit DistinctLabels(LabelColumn column) : column_(std::move(column)) {}
  // INVALID_ARGUMENT for names that are too many or too long to be labels.
  absl::Status add(const Cell& cell);
  // "0", "2", "10" in the order of numbers, else by letters.
  std::vector<std::string> sorted() const;

 private:
  absl::Status too_long(const std::string& what, size_t most) const;
  std::string holder() const;

  LabelColumn column_;
  std::set<std::string> seen_;
  size_t bytes_ = 0;  // of them
};

// The ids or numbers of a column, cell by cell.
class LabelReader {
 public:
  // `labelled`: false for a split that is known to have no label in any row. Else an empty cell is
  // an error, and so is a name that is not among `names`.
  LabelReader(LabelColumn column, std::vector<std::string> names, bool labelled);

  // Appends the target of the row, counted from 0. `file`: its name, where the label is that of a
  // folder and so in no column.
  absl::Status add(int64_t row, const Cell& cell, Targets& out, std::string_view file = "") const;

 private:
  struct Place {
    int64_t row;
    std::string_view file;
  };
  absl::Status bad(Place place, const std::string& what) const;
  absl::Status no_label(Place place) const;
  absl::StatusOr<float> number(Place place, const std::string& text) const;
  absl::StatusOr<std::vector<float>> ids(Place place, const Cell& cell) const;
  absl::StatusOr<std::vector<float>> target(Place place, const Cell& cell) const;

  LabelColumn column_;
  std::vector<std::string> names_;
  std::unordered_map<std::string, int32_t> ids_;
  bool labelled_;
};

// "a, b, c" for messages; of many names the first.
std::string listed(const std::vector<std::string>& names);

// Words or names of a cell: its list, or its text cut at `separator`, empty pieces left out.
std::vector<std::string> pieces_of(const Cell& cell, char separator);

}  // namespace espalier
