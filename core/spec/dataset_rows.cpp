// The rows of a data set: what stands in the files that dataset_spec.cpp has checked the names of.
#include <algorithm>
#include <functional>
#include <map>
#include <numeric>
#include <optional>

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"
#include "core/base/status_macros.h"
#include "core/spec/dataset_spec.h"
#include "core/spec/image_split.h"
#include "core/spec/labels.h"
#include "core/spec/squad_file.h"
#include "core/spec/table.h"
#include "core/spec/tasks.h"

namespace espalier {
namespace {

using TakeLabel = std::function<absl::Status(const Cell& label)>;

// Whether anybody looks at the labels of a split.
bool has_label_column(const DatasetSpec& spec, const TaskKind& kind, const std::string& split) {
  return split != kUnlabelled && (needs_labels(kind.objective) || !spec.label_column.empty());
}

TextColumn label_cells(const DatasetSpec& spec, Objective objective, const std::string& split) {
  const bool list = objective == Objective::kLabels || objective == Objective::kTokenClasses;
  return {.name = spec.label_column,
          .may_be_list = list,
          .may_be_absent = may_lack_labels(objective, split)};
}

// Labels of images are in a column where the images are.
LabelColumn labels_in(const std::string& path, const DatasetSpec& spec, const TaskKind& kind,
                      const std::string& split) {
  const bool images = kind.reads == Reads::kImage;
  return {path, images && in_class_folders(spec, path) ? "" : spec.label_column,
          images ? "" : spec.text_column, kind.objective, split == "train"};
}

SquadAnswers squad_answers(const std::string& split) {
  if (split == kUnlabelled) return SquadAnswers::kIgnored;
  return split == "train" ? SquadAnswers::kOfEach : SquadAnswers::kOfAllOrNone;
}

ImageSplit images_in(const std::string& path, const DatasetSpec& spec, const TaskKind& kind,
                     const std::string& split) {
  return {path, under_of(spec, split), split != kUnlabelled,
          may_lack_labels(kind.objective, split)};
}

// The labels alone, where they are in a column or the names of folders.
absl::Status visit_labels(const DatasetSpec& spec, const TaskKind& kind, const std::string& split,
                          const std::string& path, const TakeLabel& take) {
  if (kind.reads == Reads::kImage)
    return visit_image_labels(spec, images_in(path, spec, kind, split), take);
  return read_column(path, spec.format, label_cells(spec, kind.objective, split), spec.column_names,
                     take);
}

// A split in which every cell is empty has no labels, unless it is train. Most are known after one
// row.
absl::StatusOr<bool> has_labels(const DatasetSpec& spec, const TaskKind& kind,
                                const std::string& split, const std::string& path) {
  if (split == "train" || (kind.reads == Reads::kImage && in_class_folders(spec, path)))
    return true;
  bool found = false;
  const absl::Status status = visit_labels(spec, kind, split, path, [&](const Cell& label) {
    found = !is_unlabelled(label);
    return found ? absl::CancelledError("this is enough") : absl::OkStatus();
  });
  if (!found) ESPALIER_RETURN_IF_ERROR(status);
  return found;
}

absl::StatusOr<std::vector<std::string>> resolve_no_answer(const std::string& train) {
  ESPALIER_ASSIGN_OR_RETURN(const Rows rows, read_squad(train, SquadAnswers::kOfEach));
  const bool all = std::all_of(rows.answers.begin(), rows.answers.end(),
                               [](const RightAnswers& right) { return !right.texts.empty(); });
  return all ? std::vector<std::string>() : std::vector<std::string>{kNoAnswer};
}

absl::StatusOr<std::vector<std::string>> resolve_labels(const DatasetSpec& spec,
                                                        const TaskKind& kind) {
  const Objective objective = kind.objective;
  if (!spec.label_names.empty() || objective == Objective::kValue) return spec.label_names;
  if (objective == Objective::kWords) return next_sentence_names(!spec.text_pair_column.empty());
  ESPALIER_ASSIGN_OR_RETURN(const std::string path, split_path(spec, "train"));
  ESPALIER_RETURN_IF_ERROR(check_format(spec, kind, path));
  if (objective == Objective::kSpan) return resolve_no_answer(path);
  DistinctLabels labels(labels_in(path, spec, kind, "train"));
  ESPALIER_RETURN_IF_ERROR(visit_labels(spec, kind, "train", path,
                                        [&](const Cell& label) { return labels.add(label); }));
  return labels.sorted();
}

// Of a split whose labels nobody looks at: none.
absl::StatusOr<std::optional<LabelReader>> label_reader(const DatasetSpec& spec,
                                                        const TaskKind& kind,
                                                        const std::string& split,
                                                        const std::string& path) {
  if (!has_label_column(spec, kind, split)) return std::nullopt;
  ESPALIER_ASSIGN_OR_RETURN(std::vector<std::string> names, resolve_labels(spec, kind));
  ESPALIER_ASSIGN_OR_RETURN(const bool labelled, has_labels(spec, kind, split, path));
  return LabelReader(labels_in(path, spec, kind, split), std::move(names), labelled);
}

// Appends the rows of a table of texts, batch by batch.
class TextRows {
 public:
  TextRows(const DatasetSpec& spec, const TaskKind& kind, const std::string& split,
           const std::string& path, std::optional<LabelReader> labels)
      : spec_(spec), kind_(kind), split_(split), path_(path), labels_(std::move(labels)) {}

  // The label's first, where there is one, then the text's and its pair's.
  std::vector<TextColumn> columns() const {
    std::vector<TextColumn> wanted;
    if (labels_) wanted.push_back(label_cells(spec_, kind_.objective, split_));
    wanted.push_back({spec_.text_column, true, kind_.objective == Objective::kTokenClasses});
    if (!spec_.text_pair_column.empty()) wanted.push_back({spec_.text_pair_column, true});
    return wanted;
  }

  absl::Status add(const TableBatch& batch, Rows& out) const {
    size_t next = 0;
    if (labels_) {
      int64_t row = batch.first;
      for (const Cell& label : batch.columns[next++])
        ESPALIER_RETURN_IF_ERROR(labels_->add(row++, label, out.targets));
    }
    if (kind_.objective == Objective::kTokenClasses)
      return add_words(batch.first, batch.columns[next], out);
    for (int64_t i = 0; !labels_ && i < batch.rows(); ++i)
      add_not_known(kind_.objective, out.targets);
    ESPALIER_RETURN_IF_ERROR(
        add_texts(batch.first, spec_.text_column, batch.columns[next++], out.text));
    if (next == batch.columns.size()) return absl::OkStatus();
    out.pairs_follow = !labels_ && kind_.objective == Objective::kWords;
    return add_texts(batch.first, spec_.text_pair_column, batch.columns[next], out.pair);
  }

 private:
  absl::Status bad(int64_t row, const std::string& column, const std::string& what) const {
    return absl::InvalidArgumentError(
        absl::StrCat(path_, ": row ", row + 1, ", column ", column, ": ", what));
  }

  absl::Status add_texts(int64_t row, const std::string& column, const std::vector<Cell>& cells,
                         LargeLists<char>& out) const {
    for (const Cell& cell : cells) {
      const auto* text = std::get_if<std::string>(&cell);
      if (text == nullptr) return bad(row, column, "the text is null");
      out.add(*text);
      ++row;
    }
    return absl::OkStatus();
  }

  // One tag a word.
  absl::Status add_words(int64_t row, const std::vector<Cell>& cells, Rows& out) const {
    for (const Cell& cell : cells) {
      const std::vector<std::string> words = pieces_of(cell, ' ');
      if (words.empty()) return bad(row, spec_.text_column, "there are no words");
      if (!labels_) out.targets.add(std::vector<float>(words.size(), kUnknownClass));
      const size_t tags = out.targets[out.words.size()].size();
      if (tags != 0 && tags != words.size()) {
        return bad(row, spec_.label_column,
                   absl::StrCat("there are ", tags, " labels for the ", words.size(),
                                " words of column ", spec_.text_column, "; each word needs one"));
      }
      out.words.add(words);
      ++row;
    }
    return absl::OkStatus();
  }

  const DatasetSpec& spec_;
  const TaskKind kind_;
  const std::string split_, path_;
  const std::optional<LabelReader> labels_;
};

// Appends the rows of a split to `out`, in the order of its file, some at a time; `added` is called
// after each time, and may take them away.
absl::Status read_rows(const DatasetSpec& spec, const TaskKind& kind, const std::string& split,
                       Rows& out, const std::function<absl::Status()>& added) {
  ESPALIER_ASSIGN_OR_RETURN(const std::string path, split_path(spec, split));
  ESPALIER_RETURN_IF_ERROR(check_format(spec, kind, path));
  if (kind.objective == Objective::kSpan) {
    ESPALIER_ASSIGN_OR_RETURN(out, read_squad(path, squad_answers(split)));
    return added();
  }
  ESPALIER_ASSIGN_OR_RETURN(std::optional<LabelReader> labels,
                            label_reader(spec, kind, split, path));
  if (kind.reads == Reads::kImage) {
    int64_t row = 0;
    const auto add = [&](const LabelledImage& image) -> absl::Status {
      if (labels) {
        ESPALIER_RETURN_IF_ERROR(labels->add(row++, image.label, out.targets, image.name));
      } else {
        add_not_known(kind.objective, out.targets);
      }
      out.images.add(image.file);
      if (!image.name.empty()) out.image_names.add(image.name);
      return added();
    };
    return visit_images(spec, images_in(path, spec, kind, split), add);
  }
  const TextRows texts(spec, kind, split, path, std::move(labels));
  return read_table(path, spec.format, texts.columns(), spec.column_names,
                    [&](const TableBatch& batch) -> absl::Status {
                      ESPALIER_RETURN_IF_ERROR(texts.add(batch, out));
                      return added();
                    });
}

// Archives hold their files in any order; ours is by name.
Rows sorted_by_name(const Rows& rows) {
  std::vector<int64_t> order(static_cast<size_t>(rows.size()));
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return text_of(rows.image_names, a) < text_of(rows.image_names, b);
  });
  Rows out;
  for (const int64_t i : order) {
    out.images.add(rows.images[i]);
    out.image_names.add(rows.image_names[i]);
    out.targets.add(rows.targets[i]);
  }
  return out;
}

// `before`: rows of the split that are not among these any more.
absl::Status look_at_images(const std::string& path, const Rows& rows, int64_t before,
                            const LookAtImage& look) {
  for (int64_t i = 0; i < rows.images.size(); ++i) {
    const absl::Status seen = look(text_of(rows.images, i));
    if (seen.ok()) continue;
    const std::string name =
        rows.image_names.empty() ? absl::StrCat("row ", before + i + 1) : row_name(rows, i);
    return absl::Status(seen.code(), absl::StrCat(path, ": ", name, ": ", seen.message()));
  }
  return absl::OkStatus();
}

// Reads a split to its end and keeps nothing; how many rows it has.
absl::StatusOr<int64_t> count_rows(const DatasetSpec& spec, const TaskKind& kind,
                                   const std::string& split, const LookAtImage& look) {
  ESPALIER_ASSIGN_OR_RETURN(const std::string path, split_path(spec, split));
  int64_t count = 0;
  Rows rows;
  ESPALIER_RETURN_IF_ERROR(read_rows(spec, kind, split, rows, [&]() -> absl::Status {
    if (look) ESPALIER_RETURN_IF_ERROR(look_at_images(path, rows, count, look));
    count += rows.size();
    rows = Rows();
    return absl::OkStatus();
  }));
  if (count == 0)
    return absl::InvalidArgumentError(absl::StrCat(spec.splits.at(split), ": has no rows"));
  return count;
}

// The same of a split in an archive that has been scanned.
absl::StatusOr<int64_t> count_images(const DatasetSpec& spec, const TaskKind& kind,
                                     const std::string& split, const ArchivedSplit& scanned) {
  ESPALIER_ASSIGN_OR_RETURN(const std::string path, split_path(spec, split));
  const LabelReader labels(labels_in(path, spec, kind, split), spec.label_names, true);
  Targets unused;
  for (const auto& [label, file] : scanned.labels)
    ESPALIER_RETURN_IF_ERROR(labels.add(0, label, unused, file));
  return scanned.images;
}

// As resolve_labels(), but out of the scan where train is in an archive.
absl::StatusOr<std::vector<std::string>> resolve_labels(
    const DatasetSpec& spec, const TaskKind& kind,
    const std::map<std::string, ArchivedSplit>& archived) {
  const auto train = archived.find("train");
  if (train == archived.end() || !spec.label_names.empty()) return resolve_labels(spec, kind);
  ESPALIER_ASSIGN_OR_RETURN(const std::string path, split_path(spec, "train"));
  DistinctLabels labels(labels_in(path, spec, kind, "train"));
  for (const auto& [label, file] : train->second.labels)
    ESPALIER_RETURN_IF_ERROR(labels.add(label));
  return labels.sorted();
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

}  // namespace

int64_t DatasetFacts::total_rows() const {
  return std::accumulate(rows.begin(), rows.end(), int64_t{0},
                         [](int64_t sum, const auto& split) { return sum + split.second; });
}

bool may_lack_labels(Objective objective, std::string_view split) {
  return objective == Objective::kClass && split == kCalibrate;
}

std::string row_name(const Rows& rows, int64_t i) {
  if (!rows.image_names.empty()) return std::string(text_of(rows.image_names, i));
  return absl::StrCat("row ", i + 1);
}

absl::StatusOr<Rows> read_split(const DatasetSpec& spec, const std::string& split) {
  ESPALIER_ASSIGN_OR_RETURN(const TaskKind kind, find_task(spec.task));
  Rows out;
  ESPALIER_RETURN_IF_ERROR(read_rows(spec, kind, split, out, [] { return absl::OkStatus(); }));
  if (out.image_names.empty()) return out;
  return guard("sorting images", [&]() -> absl::StatusOr<Rows> { return sorted_by_name(out); });
}

absl::StatusOr<DatasetFacts> inspect_dataset(const DatasetSpec& spec, const LookAtImage& look) {
  DatasetFacts facts;
  DatasetSpec resolved = spec;
  ESPALIER_ASSIGN_OR_RETURN(const TaskKind kind, find_task(spec.task));
  ESPALIER_RETURN_IF_ERROR(check_distinct(spec));
  std::map<std::string, ArchivedSplit> archived;
  if (kind.reads == Reads::kImage) {
    ESPALIER_ASSIGN_OR_RETURN(archived, scan_archives(spec, look));
  }
  ESPALIER_ASSIGN_OR_RETURN(resolved.label_names, resolve_labels(spec, kind, archived));
  for (const auto& [name, path] : spec.splits) {
    const auto scanned = archived.find(name);
    ESPALIER_ASSIGN_OR_RETURN(facts.rows[name],
                              scanned != archived.end()
                                  ? count_images(resolved, kind, name, scanned->second)
                                  : count_rows(resolved, kind, name, look));
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
