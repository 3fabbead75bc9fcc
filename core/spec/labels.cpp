#include "core/spec/labels.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/base/status_macros.h"

namespace espalier {
namespace {

void sort_labels(std::vector<std::string>& labels) {
  const bool numbers = std::all_of(labels.begin(), labels.end(), [](const std::string& text) {
    return !text.empty() && text.size() <= 9 &&
           text.find_first_not_of("0123456789") == std::string::npos;
  });
  std::sort(labels.begin(), labels.end());
  if (numbers) {
    std::stable_sort(labels.begin(), labels.end(), [](const std::string& a, const std::string& b) {
      return std::stoi(a) < std::stoi(b);
    });
  }
}

// The names in a cell that is not null.
std::vector<std::string> names_in(const Cell& cell, Objective objective) {
  if (objective == Objective::kLabels) return pieces_of(cell, '|');
  if (objective == Objective::kTokenClasses) return pieces_of(cell, ' ');
  return {std::get<std::string>(cell)};
}

}  // namespace

std::string listed(const std::vector<std::string>& names) {
  constexpr size_t kShown = 20;
  const auto end = names.begin() + static_cast<int64_t>(std::min(names.size(), kShown));
  return absl::StrCat(absl::StrJoin(names.begin(), end, ", "),
                      names.size() > kShown ? ", ..." : "");
}

std::vector<std::string> pieces_of(const Cell& cell, char separator) {
  if (const auto* list = std::get_if<std::vector<std::string>>(&cell)) return *list;
  const auto* text = std::get_if<std::string>(&cell);
  if (text == nullptr) return {};
  return absl::StrSplit(*text, separator, absl::SkipEmpty());
}

std::vector<std::string> next_sentence_names(bool has_pairs) {
  if (!has_pairs) return {};
  return {"0", "1"};
}

bool is_unlabelled(const Cell& cell) {
  const auto* text = std::get_if<std::string>(&cell);
  return is_null(cell) || (text != nullptr && text->empty());
}

void add_not_known(Objective objective, Targets& out) {
  if (objective == Objective::kWords) {
    out.add(static_cast<float>(NextSentence::kNotKnown));
  } else {
    out.add_unknown();
  }
}

absl::Status DistinctLabels::add(const Cell& cell) {
  if (is_unlabelled(cell)) return absl::OkStatus();
  for (const std::string& name : names_in(cell, column_.objective)) {
    if (name.size() > kMaxLabelBytes)
      return too_long(absl::StrCat("a label of ", name.size(), " bytes"), kMaxLabelBytes);
    if (seen_.insert(name).second) bytes_ += name.size();
    if (bytes_ > kMaxLabelsBytes)
      return too_long("labels that are too long in all", kMaxLabelsBytes);
    if (seen_.size() > kMaxLabels) {
      return absl::InvalidArgumentError(absl::StrCat(column_.path, ": ", holder(), " more than ",
                                                     kMaxLabels,
                                                     " different labels; are they the labels?"));
    }
  }
  return absl::OkStatus();
}

std::vector<std::string> DistinctLabels::sorted() const {
  std::vector<std::string> labels(seen_.begin(), seen_.end());
  sort_labels(labels);
  return labels;
}

std::string DistinctLabels::holder() const {
  return column_.column.empty() ? "the names of its folders give"
                                : absl::StrCat("column ", column_.column, " holds");
}

absl::Status DistinctLabels::too_long(const std::string& what, size_t most) const {
  return absl::InvalidArgumentError(absl::StrCat(
      column_.path, ": ", holder(), " ", what, "; at most ", most, " bytes are allowed",
      column_.text_column.empty()
          ? ""
          : absl::StrCat("; is it mixed up with the text column (", column_.text_column, ")?")));
}

LabelReader::LabelReader(LabelColumn column, std::vector<std::string> names, bool labelled)
    : column_(std::move(column)), names_(std::move(names)), labelled_(labelled) {
  for (const std::string& name : names_) ids_.emplace(name, static_cast<int32_t>(ids_.size()));
}

absl::Status LabelReader::add(int64_t row, const Cell& cell, Targets& out,
                              std::string_view file) const {
  if (!labelled_) {
    add_not_known(column_.objective, out);
    return absl::OkStatus();
  }
  ESPALIER_ASSIGN_OR_RETURN(const std::vector<float> known, target({row, file}, cell));
  out.add(known);
  return absl::OkStatus();
}

absl::Status LabelReader::bad(Place place, const std::string& what) const {
  return absl::InvalidArgumentError(absl::StrCat(
      column_.path, ": ",
      place.file.empty() ? absl::StrCat("row ", place.row + 1, ", column ", column_.column)
                         : std::string(place.file),
      ": ", what));
}

absl::Status LabelReader::no_label(Place place) const {
  const bool elsewhere = column_.of_train && needs_labels(column_.objective);
  return bad(place,
             absl::StrCat("the label is empty",
                          elsewhere ? "; rows without labels can be the split unlabelled" : ""));
}

absl::StatusOr<float> LabelReader::number(Place place, const std::string& text) const {
  double value = 0;
  if (absl::SimpleAtod(text, &value) &&
      std::abs(value) <= static_cast<double>(std::numeric_limits<float>::max()))
    return static_cast<float>(value);
  return bad(place, text.size() > kMaxLabelBytes
                        ? absl::StrCat("a text of ", text.size(), " bytes is no number")
                        : absl::StrCat("\"", text, "\" is no finite number"));
}

absl::StatusOr<std::vector<float>> LabelReader::ids(Place place, const Cell& cell) const {
  std::vector<float> out;
  for (const std::string& name : names_in(cell, column_.objective)) {
    if (const auto found = ids_.find(name); found != ids_.end()) {
      out.push_back(static_cast<float>(found->second));
      continue;
    }
    return bad(place, absl::StrCat(name.size() > kMaxLabelBytes
                                       ? absl::StrCat("unknown label of ", name.size(), " bytes")
                                       : absl::StrCat("unknown label \"", name, "\""),
                                   "; known: ", listed(names_)));
  }
  return out;
}

absl::StatusOr<std::vector<float>> LabelReader::target(Place place, const Cell& cell) const {
  // No label at all is an answer only where there may be any number of them.
  if (is_null(cell) || (is_unlabelled(cell) && column_.objective != Objective::kLabels))
    return no_label(place);
  if (column_.objective == Objective::kValue) {
    ESPALIER_ASSIGN_OR_RETURN(const float value, number(place, std::get<std::string>(cell)));
    return std::vector<float>{value};
  }
  ESPALIER_ASSIGN_OR_RETURN(std::vector<float> chosen, ids(place, cell));
  if (chosen.empty() && column_.objective == Objective::kTokenClasses)
    return bad(place, "there are no labels");
  if (column_.objective != Objective::kLabels) return chosen;
  std::vector<float> yes(names_.size(), 0);
  for (const float id : chosen) yes[static_cast<size_t>(id)] = 1;
  return yes;
}

}  // namespace espalier
