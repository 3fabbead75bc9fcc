#include "core/spec/labels.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <unordered_map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/base/status_macros.h"

namespace espalier {
namespace {

using LabelIds = std::unordered_map<std::string, int32_t>;

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

bool is_unlabelled(const Cell& cell) {
  const auto* text = std::get_if<std::string>(&cell);
  return is_null(cell) || (text != nullptr && text->empty());
}

// The names in a cell that is not null.
std::vector<std::string> names_in(const Cell& cell, Objective objective) {
  if (objective == Objective::kLabels) return pieces_of(cell, '|');
  if (objective == Objective::kTokenClasses) return pieces_of(cell, ' ');
  return {std::get<std::string>(cell)};
}

absl::Status bad_label(const LabelCells& column, size_t row, const std::string& what) {
  return absl::InvalidArgumentError(
      absl::StrCat(column.path, ": ",
                   column.files.empty() ? absl::StrCat("row ", row + 1, ", column ", column.column)
                                        : column.files[row],
                   ": ", what));
}

absl::StatusOr<float> number_of(const LabelCells& column, size_t row) {
  const std::string& text = std::get<std::string>(column.cells[row]);
  double value = 0;
  if (absl::SimpleAtod(text, &value) &&
      std::abs(value) <= static_cast<double>(std::numeric_limits<float>::max()))
    return static_cast<float>(value);
  return bad_label(column, row,
                   text.size() > kMaxLabelBytes
                       ? absl::StrCat("a text of ", text.size(), " bytes is no number")
                       : absl::StrCat("\"", text, "\" is no finite number"));
}

absl::StatusOr<std::vector<float>> ids_of(const LabelCells& column, size_t row,
                                          const std::vector<std::string>& names,
                                          const LabelIds& ids) {
  std::vector<float> out;
  for (const std::string& name : names_in(column.cells[row], column.objective)) {
    if (const auto found = ids.find(name); found != ids.end()) {
      out.push_back(static_cast<float>(found->second));
      continue;
    }
    return bad_label(column, row,
                     absl::StrCat(name.size() > kMaxLabelBytes
                                      ? absl::StrCat("unknown label of ", name.size(), " bytes")
                                      : absl::StrCat("unknown label \"", name, "\""),
                                  "; known: ", listed(names)));
  }
  return out;
}

// `is_train`: where other rows without labels may be, if this task has use for them.
absl::Status no_label(const LabelCells& column, size_t row, bool is_train) {
  const bool elsewhere = is_train && needs_labels(column.objective);
  return bad_label(
      column, row,
      absl::StrCat("the label is empty",
                   elsewhere ? "; rows without labels can be the split unlabelled" : ""));
}

absl::StatusOr<std::vector<float>> target_of(const LabelCells& column, size_t row,
                                             const std::vector<std::string>& names,
                                             const LabelIds& ids, bool is_train) {
  // No label at all is an answer only where there may be any number of them.
  if (is_null(column.cells[row]) ||
      (is_unlabelled(column.cells[row]) && column.objective != Objective::kLabels))
    return no_label(column, row, is_train);
  if (column.objective == Objective::kValue) {
    ESPALIER_ASSIGN_OR_RETURN(const float value, number_of(column, row));
    return std::vector<float>{value};
  }
  ESPALIER_ASSIGN_OR_RETURN(std::vector<float> chosen, ids_of(column, row, names, ids));
  if (chosen.empty() && column.objective == Objective::kTokenClasses)
    return bad_label(column, row, "there are no labels");
  if (column.objective != Objective::kLabels) return chosen;
  std::vector<float> yes(names.size(), 0);
  for (const float id : chosen) yes[static_cast<size_t>(id)] = 1;
  return yes;
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

Targets classes_not_known(std::span<const std::vector<std::string>> words) {
  Targets out;
  for (const auto& row : words) out.add(std::vector<float>(row.size(), kUnknownClass));
  return out;
}

Targets sentences_not_known(size_t rows) {
  Targets out;
  for (size_t row = 0; row < rows; ++row) out.add(static_cast<float>(NextSentence::kNotKnown));
  return out;
}

absl::StatusOr<std::vector<std::string>> distinct_labels(const LabelCells& column) {
  std::set<std::string> seen;
  size_t bytes = 0;
  const std::string holder = column.column.empty()
                                 ? "the names of its folders give"
                                 : absl::StrCat("column ", column.column, " holds");
  const auto too_long = [&](const std::string& what, size_t most) {
    return absl::InvalidArgumentError(absl::StrCat(
        column.path, ": ", holder, " ", what, "; at most ", most, " bytes are allowed",
        column.text_column.empty()
            ? ""
            : absl::StrCat("; is it mixed up with the text column (", column.text_column, ")?")));
  };
  for (const Cell& cell : column.cells) {
    if (is_unlabelled(cell)) continue;
    for (const std::string& name : names_in(cell, column.objective)) {
      if (name.size() > kMaxLabelBytes)
        return too_long(absl::StrCat("a label of ", name.size(), " bytes"), kMaxLabelBytes);
      if (seen.insert(name).second) bytes += name.size();
      if (bytes > kMaxLabelsBytes)
        return too_long("labels that are too long in all", kMaxLabelsBytes);
      if (seen.size() > kMaxLabels) {
        return absl::InvalidArgumentError(absl::StrCat(column.path, ": ", holder, " more than ",
                                                       kMaxLabels,
                                                       " different labels; are they the labels?"));
      }
    }
  }
  std::vector<std::string> labels(seen.begin(), seen.end());
  sort_labels(labels);
  return labels;
}

absl::StatusOr<Targets> read_targets(const LabelCells& column,
                                     const std::vector<std::string>& names, bool is_train) {
  LabelIds ids;
  for (const std::string& name : names) ids.emplace(name, static_cast<int32_t>(ids.size()));
  const bool labelled =
      is_train || !std::all_of(column.cells.begin(), column.cells.end(), is_unlabelled);
  if (!labelled && column.objective == Objective::kWords)
    return sentences_not_known(column.cells.size());
  Targets out;
  for (size_t row = 0; row < column.cells.size(); ++row) {
    if (!labelled) {
      out.add_unknown();
      continue;
    }
    ESPALIER_ASSIGN_OR_RETURN(const std::vector<float> target,
                              target_of(column, row, names, ids, is_train));
    out.add(target);
  }
  return out;
}

}  // namespace espalier
