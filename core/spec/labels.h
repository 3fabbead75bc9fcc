// What stands in the label column of a data set, by what its task wants:
//   kClass         a name
//   kValue         a number
//   kLabels        a list of names, or names separated by "|"; none is an answer too
//   kTokenClasses  a list of names, or names separated by spaces: one for every word
//   kWords         of pairs: "0" where the second text follows the first, "1" where it does not
#pragma once

#include <span>
#include <string>
#include <vector>

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
// Targets of `rows` rows of no label.
Targets sentences_not_known(size_t rows);

// Targets of rows of words without labels.
Targets classes_not_known(std::span<const std::vector<std::string>> words);

// A label column; its names are for messages.
struct LabelCells {
  std::string path, column, text_column;
  Objective objective = Objective::kClass;
  std::span<const Cell> cells;
  // Labels that are the names of folders, and so in no column: the file of each row.
  std::span<const std::string> files = {};
};

// The different names in it, sorted: "0", "2", "10" in the order of numbers, else by letters.
// INVALID_ARGUMENT for names that are too many or too long to be labels.
absl::StatusOr<std::vector<std::string>> distinct_labels(const LabelCells& column);

// The ids or numbers of every row. A split in which every cell is empty has no labels, unless it is
// train; else an empty cell is an error, and so is a name that is not among `names`.
absl::StatusOr<Targets> read_targets(const LabelCells& column,
                                     const std::vector<std::string>& names, bool is_train);

// "a, b, c" for messages; of many names the first.
std::string listed(const std::vector<std::string>& names);

// Words or names of a cell: its list, or its text cut at `separator`, empty pieces left out.
std::vector<std::string> pieces_of(const Cell& cell, char separator);

}  // namespace espalier
