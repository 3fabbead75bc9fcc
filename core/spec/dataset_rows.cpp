// The rows of a data set: what stands in the files that dataset_spec.cpp has checked the names of.
#include <algorithm>
#include <map>
#include <numeric>
#include <span>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/spec/dataset_spec.h"
#include "core/spec/image_split.h"
#include "core/spec/labels.h"
#include "core/spec/squad_file.h"
#include "core/spec/table.h"
#include "core/spec/tasks.h"

namespace espalier {
namespace {

// Exits are calibrated without labels where rows have one class each: by agreement.
bool may_lack_labels(Objective objective, const std::string& split) {
  return objective == Objective::kClass && split == "calibrate";
}

TextColumn label_column(const DatasetSpec& spec, Objective objective, const std::string& split) {
  const bool list = objective == Objective::kLabels || objective == Objective::kTokenClasses;
  return {.name = spec.label_column,
          .may_be_list = list,
          .may_be_absent = may_lack_labels(objective, split)};
}

SquadAnswers squad_answers(const std::string& split) {
  if (split == kUnlabelled) return SquadAnswers::kIgnored;
  return split == "train" ? SquadAnswers::kOfEach : SquadAnswers::kOfAllOrNone;
}

Targets targets_not_known(Objective objective, size_t rows) {
  if (objective == Objective::kWords) return sentences_not_known(rows);
  Targets out;
  for (size_t row = 0; row < rows; ++row) out.add_unknown();
  return out;
}

LabelCells labels_in(const std::string& path, const DatasetSpec& spec, Objective objective,
                     const std::vector<Cell>& cells) {
  return {path, spec.label_column, spec.text_column, objective, cells};
}

absl::StatusOr<std::vector<std::string>> resolve_no_answer(const std::string& train) {
  ESPALIER_ASSIGN_OR_RETURN(const Rows rows, read_squad(train, SquadAnswers::kOfEach));
  const bool all = std::all_of(rows.answers.begin(), rows.answers.end(),
                               [](const RightAnswers& right) { return !right.texts.empty(); });
  return all ? std::vector<std::string>() : std::vector<std::string>{kNoAnswer};
}

// Labels of images are in a column where the images are.
LabelCells image_labels_in(const ImageSplit& split, const DatasetSpec& spec,
                           const std::vector<Cell>& labels, std::span<const std::string> names) {
  LabelCells out{split.path, spec.label_column, "", Objective::kClass, labels, names};
  if (in_class_folders(spec, split.path)) out.column = "";
  return out;
}

absl::StatusOr<std::vector<std::string>> resolve_labels(const DatasetSpec& spec,
                                                        const TaskKind& kind) {
  const Objective objective = kind.objective;
  if (!spec.label_names.empty() || objective == Objective::kValue) return spec.label_names;
  if (objective == Objective::kWords) return next_sentence_names(!spec.text_pair_column.empty());
  ESPALIER_ASSIGN_OR_RETURN(std::string path, split_path(spec, "train"));
  ESPALIER_RETURN_IF_ERROR(check_format(spec, kind, path));
  if (objective == Objective::kSpan) return resolve_no_answer(path);
  if (kind.reads == Reads::kImage) {
    const ImageSplit train{path, under_of(spec, "train")};
    ESPALIER_ASSIGN_OR_RETURN(const std::vector<Cell> labels, read_image_labels(spec, train));
    return distinct_labels(image_labels_in(train, spec, labels, {}));
  }
  ESPALIER_ASSIGN_OR_RETURN(
      auto columns,
      read_table(path, spec.format, {label_column(spec, objective, "train")}, spec.column_names));
  return distinct_labels(labels_in(path, spec, objective, columns[0]));
}

absl::Status bad_text(const std::string& path, size_t row, const std::string& column,
                      const std::string& what) {
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": row ", row + 1, ", column ", column, ": ", what));
}

absl::Status take_texts(const std::string& path, const std::string& column, std::vector<Cell> cells,
                        std::vector<std::string>& out) {
  out.reserve(cells.size());
  for (size_t i = 0; i < cells.size(); ++i) {
    if (is_null(cells[i])) return bad_text(path, i, column, "the text is null");
    out.push_back(std::move(std::get<std::string>(cells[i])));
  }
  return absl::OkStatus();
}

// One tag a word.
absl::Status take_words(const std::string& path, const DatasetSpec& spec,
                        const std::vector<Cell>& cells, Rows& out) {
  for (size_t i = 0; i < cells.size(); ++i) {
    out.words.push_back(pieces_of(cells[i], ' '));
    const size_t words = out.words.back().size();
    if (words == 0) return bad_text(path, i, spec.text_column, "there are no words");
    const auto tags = out.targets[static_cast<int64_t>(i)].size();
    if (tags == 0 || tags == words) continue;
    return bad_text(path, i, spec.label_column,
                    absl::StrCat("there are ", tags, " labels for the ", words, " words of column ",
                                 spec.text_column, "; each word needs one"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Rows> read_image_rows(const DatasetSpec& spec, const TaskKind& kind,
                                     const std::string& name, const ImageSplit& split) {
  ESPALIER_ASSIGN_OR_RETURN(LabelledImages found, read_images(spec, split));
  Rows out;
  if (split.labelled) {
    ESPALIER_ASSIGN_OR_RETURN(const std::vector<std::string> names, resolve_labels(spec, kind));
    ESPALIER_ASSIGN_OR_RETURN(
        out.targets, read_targets(image_labels_in(split, spec, found.labels, found.names), names,
                                  name == "train"));
  } else {
    out.targets = targets_not_known(kind.objective, found.files.size());
  }
  out.images = std::move(found.files);
  out.image_names = std::move(found.names);
  return out;
}

absl::Status look_at_images(const std::string& path, const Rows& rows, const LookAtImage& look) {
  for (int64_t i = 0; i < static_cast<int64_t>(rows.images.size()); ++i) {
    const absl::Status seen = look(rows.images[static_cast<size_t>(i)]);
    if (seen.ok()) continue;
    return absl::Status(seen.code(),
                        absl::StrCat(path, ": ", row_name(rows, i), ": ", seen.message()));
  }
  return absl::OkStatus();
}

// Rows of two splits may be the same where the bytes of their files are.
absl::Status check_distinct(const DatasetSpec& spec) {
  std::map<std::string, std::vector<std::string>> splits_of;  // by digest
  for (const auto& [name, path] : spec.splits) {
    ESPALIER_ASSIGN_OR_RETURN(const std::string digest, split_digest(spec, name));
    for (const std::string& other : splits_of[digest]) {
      if (!overlap(under_of(spec, name), under_of(spec, other))) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          "splits ", other, " and ", name, " hold the same bytes; a row must serve one of them"));
    }
    splits_of[digest].push_back(name);
  }
  return absl::OkStatus();
}

// Rows of a split that is no archive, read and looked at.
absl::StatusOr<int64_t> count_rows(const DatasetSpec& spec, const std::string& name,
                                   const LookAtImage& look) {
  ESPALIER_ASSIGN_OR_RETURN(const std::string file, split_path(spec, name));
  ESPALIER_ASSIGN_OR_RETURN(const Rows rows, read_split(spec, name));
  if (rows.size() == 0)
    return absl::InvalidArgumentError(absl::StrCat(spec.splits.at(name), ": has no rows"));
  if (look) ESPALIER_RETURN_IF_ERROR(look_at_images(file, rows, look));
  return rows.size();
}

// Rows of a split in an archive that has been scanned, its labels checked.
absl::StatusOr<int64_t> count_images(const DatasetSpec& spec, const std::string& name,
                                     const LabelledImages& found) {
  if (name == kUnlabelled) return static_cast<int64_t>(found.names.size());
  ESPALIER_ASSIGN_OR_RETURN(const std::string file, split_path(spec, name));
  ESPALIER_ASSIGN_OR_RETURN(
      const Targets targets,
      read_targets(image_labels_in({file, ""}, spec, found.labels, found.names), spec.label_names,
                   name == "train"));
  return targets.size();
}

}  // namespace

int64_t DatasetFacts::total_rows() const {
  return std::accumulate(rows.begin(), rows.end(), int64_t{0},
                         [](int64_t sum, const auto& split) { return sum + split.second; });
}

std::string row_name(const Rows& rows, int64_t i) {
  if (!rows.image_names.empty()) return rows.image_names[static_cast<size_t>(i)];
  return absl::StrCat("row ", i + 1);
}

absl::StatusOr<Rows> read_split(const DatasetSpec& spec, const std::string& split) {
  ESPALIER_ASSIGN_OR_RETURN(const TaskKind kind, find_task(spec.task));
  ESPALIER_ASSIGN_OR_RETURN(std::string path, split_path(spec, split));
  ESPALIER_RETURN_IF_ERROR(check_format(spec, kind, path));
  const bool labelled = split != kUnlabelled;
  if (kind.objective == Objective::kSpan) return read_squad(path, squad_answers(split));
  if (kind.reads == Reads::kImage) {
    return read_image_rows(
        spec, kind, split,
        {path, under_of(spec, split), labelled, may_lack_labels(kind.objective, split)});
  }
  const bool words = kind.objective == Objective::kTokenClasses;
  const bool labels = labelled && (needs_labels(kind.objective) || !spec.label_column.empty());
  std::vector<TextColumn> wanted = {{spec.text_column, true, words}};
  if (labels) wanted.insert(wanted.begin(), label_column(spec, kind.objective, split));
  if (!spec.text_pair_column.empty()) wanted.push_back({spec.text_pair_column, true});
  ESPALIER_ASSIGN_OR_RETURN(auto columns, read_table(path, spec.format, wanted, spec.column_names));
  Rows out;
  size_t next = 0;
  if (labels) {
    ESPALIER_ASSIGN_OR_RETURN(const std::vector<std::string> names, resolve_labels(spec, kind));
    ESPALIER_ASSIGN_OR_RETURN(
        out.targets, read_targets(labels_in(path, spec, kind.objective, columns[next++]), names,
                                  split == "train"));
  } else {
    out.targets = targets_not_known(kind.objective, columns[0].size());
  }
  if (words) {
    ESPALIER_RETURN_IF_ERROR(take_words(path, spec, columns[next], out));
    if (!labels) out.targets = classes_not_known(out.words);
    return out;
  }
  ESPALIER_RETURN_IF_ERROR(
      take_texts(path, spec.text_column, std::move(columns[next++]), out.text));
  if (next < columns.size()) {
    ESPALIER_RETURN_IF_ERROR(
        take_texts(path, spec.text_pair_column, std::move(columns[next]), out.pair));
    out.pairs_follow = !labels && kind.objective == Objective::kWords;
  }
  return out;
}

absl::StatusOr<DatasetFacts> inspect_dataset(const DatasetSpec& spec, const LookAtImage& look) {
  DatasetFacts facts;
  DatasetSpec resolved = spec;
  ESPALIER_ASSIGN_OR_RETURN(const TaskKind kind, find_task(spec.task));
  ESPALIER_RETURN_IF_ERROR(check_distinct(spec));
  std::map<std::string, LabelledImages> archived;
  if (kind.reads == Reads::kImage) {
    ESPALIER_ASSIGN_OR_RETURN(archived, scan_archives(spec, look));
  }
  if (const auto train = archived.find("train");
      train != archived.end() && spec.label_names.empty()) {
    ESPALIER_ASSIGN_OR_RETURN(const std::string file, split_path(spec, "train"));
    ESPALIER_ASSIGN_OR_RETURN(
        resolved.label_names,
        distinct_labels(image_labels_in({file, ""}, spec, train->second.labels, {})));
  } else {
    ESPALIER_ASSIGN_OR_RETURN(resolved.label_names, resolve_labels(spec, kind));
  }
  for (const auto& [name, path] : spec.splits) {
    const auto found = archived.find(name);
    ESPALIER_ASSIGN_OR_RETURN(facts.rows[name], found != archived.end()
                                                    ? count_images(resolved, name, found->second)
                                                    : count_rows(resolved, name, look));
  }
  const int fewest = fewest_labels(kind.objective);
  if (static_cast<int>(resolved.label_names.size()) < fewest) {
    return absl::InvalidArgumentError(absl::StrCat(
        "train holds ", resolved.label_names.size(), " different labels (",
        in_class_folders(spec, spec.splits.at("train")) ? "its folders"
                                                        : "column " + spec.label_column,
        "); ", spec.task, " needs at least ", fewest));
  }
  ESPALIER_RETURN_IF_ERROR(check_metric(kind.objective, resolved.label_names, spec.metric));
  ESPALIER_RETURN_IF_ERROR(check_weighed_names(spec.class_weights, resolved.label_names));
  facts.label_names = std::move(resolved.label_names);
  return facts;
}

}  // namespace espalier
