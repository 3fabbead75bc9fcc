// The rows of a data set: what stands in the files that dataset_spec.cpp has checked the names of.
#include <algorithm>
#include <functional>
#include <map>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"
#include "core/base/hash.h"
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

bool has_label_column(const DatasetSpec& spec, const TaskKind& kind) {
  return needs_labels(kind.objective) || !spec.label_column.empty();
}

// May a cell of the label or text column be a list?
TextColumn label_cells(const DatasetSpec& spec, Objective objective) {
  const bool list = objective == Objective::kLabels || objective == Objective::kTokenClasses;
  return {spec.label_column, false, list};
}

// Labels of images are in a column where the images are.
LabelColumn labels_in(const std::string& path, const DatasetSpec& spec, const TaskKind& kind) {
  const bool images = kind.reads == Reads::kImage;
  return {path, images && in_class_folders(spec, path) ? "" : spec.label_column,
          images ? "" : spec.text_column, kind.objective};
}

// The labels alone, where they are in a column or the names of folders.
absl::Status visit_labels(const DatasetSpec& spec, const TaskKind& kind, const std::string& split,
                          const std::string& path, const TakeLabel& take) {
  if (kind.reads == Reads::kImage)
    return visit_image_labels(spec, {path, under_of(spec, split)}, take);
  return read_table(path, spec.format, {label_cells(spec, kind.objective)}, spec.column_names,
                    [&](const TableBatch& batch) -> absl::Status {
                      for (const Cell& label : batch.columns[0])
                        ESPALIER_RETURN_IF_ERROR(take(label));
                      return absl::OkStatus();
                    });
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
  ESPALIER_ASSIGN_OR_RETURN(const Rows rows, read_squad(train, true));
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
  DistinctLabels labels(labels_in(path, spec, kind));
  ESPALIER_RETURN_IF_ERROR(visit_labels(spec, kind, "train", path,
                                        [&](const Cell& label) { return labels.add(label); }));
  return labels.sorted();
}

// Appends the rows of a table of texts, batch by batch.
class TextRows {
 public:
  TextRows(const DatasetSpec& spec, const TaskKind& kind, const std::string& path,
           LabelReader labels)
      : spec_(spec), kind_(kind), path_(path), labels_(std::move(labels)) {}

  // The label's first, where there is one, then the text's and its pair's.
  std::vector<TextColumn> columns() const {
    std::vector<TextColumn> wanted;
    if (has_label_column(spec_, kind_)) wanted.push_back(label_cells(spec_, kind_.objective));
    wanted.push_back({spec_.text_column, true, kind_.objective == Objective::kTokenClasses});
    if (!spec_.text_pair_column.empty()) wanted.push_back({spec_.text_pair_column, true});
    return wanted;
  }

  absl::Status add(const TableBatch& batch, Rows& out) const {
    // Where there is no label column, the reader of labels does not look at the cell.
    int64_t row = batch.first;
    for (const Cell& label : batch.columns[0])
      ESPALIER_RETURN_IF_ERROR(labels_.add(row++, label, out.targets));
    const bool labelled = has_label_column(spec_, kind_);
    size_t next = labelled ? 1 : 0;
    if (kind_.objective == Objective::kTokenClasses)
      return add_words(batch.first, batch.columns[next], out);
    ESPALIER_RETURN_IF_ERROR(
        add_texts(batch.first, spec_.text_column, batch.columns[next++], out.text));
    if (next == batch.columns.size()) return absl::OkStatus();
    out.pairs_follow = !labelled;
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
  const std::string path_;
  const LabelReader labels_;
};

// Appends the rows of a split to `out`, in the order of its file, some at a time; `added` is called
// after each time, and may take them away.
absl::Status read_rows(const DatasetSpec& spec, const TaskKind& kind, const std::string& split,
                       Rows& out, const std::function<absl::Status()>& added) {
  ESPALIER_ASSIGN_OR_RETURN(const std::string path, split_path(spec, split));
  ESPALIER_RETURN_IF_ERROR(check_format(spec, kind, path));
  if (kind.objective == Objective::kSpan) {
    ESPALIER_ASSIGN_OR_RETURN(out, read_squad(path, split == "train"));
    return added();
  }
  ESPALIER_ASSIGN_OR_RETURN(std::vector<std::string> names, resolve_labels(spec, kind));
  bool labelled = has_label_column(spec, kind);
  if (labelled) {
    ESPALIER_ASSIGN_OR_RETURN(labelled, has_labels(spec, kind, split, path));
  }
  LabelReader labels(labels_in(path, spec, kind), std::move(names), labelled);
  if (kind.reads == Reads::kImage) {
    int64_t row = 0;
    return visit_images(spec, {path, under_of(spec, split)}, [&](const LabelledImage& image) {
      ESPALIER_RETURN_IF_ERROR(labels.add(row++, image.label, out.targets, image.name));
      out.images.add(image.file);
      if (!image.name.empty()) out.image_names.add(image.name);
      return added();
    });
  }
  const TextRows texts(spec, kind, path, std::move(labels));
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
  return count;
}

// Splits by the bytes of their files: rows of two may be the same where the files are.
class SeenSplits {
 public:
  absl::Status add(const DatasetSpec& spec, const std::string& name, const std::string& digest) {
    for (const std::string& other : split_of_[digest]) {
      if (!overlap(under_of(spec, name), under_of(spec, other))) continue;
      return absl::InvalidArgumentError(absl::StrCat(
          "splits ", other, " and ", name, " hold the same bytes; a row must serve one of them"));
    }
    split_of_[digest].push_back(name);
    return absl::OkStatus();
  }

 private:
  std::map<std::string, std::vector<std::string>> split_of_;
};

}  // namespace

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
  ESPALIER_ASSIGN_OR_RETURN(resolved.label_names, resolve_labels(spec, kind));
  SeenSplits seen;
  for (const auto& [name, path] : spec.splits) {
    ESPALIER_ASSIGN_OR_RETURN(const std::string file, split_path(spec, name));
    ESPALIER_ASSIGN_OR_RETURN(const std::string digest, sha256_of_file(file));
    ESPALIER_RETURN_IF_ERROR(seen.add(spec, name, digest));
    ESPALIER_ASSIGN_OR_RETURN(const int64_t rows, count_rows(resolved, kind, name, look));
    if (rows == 0) return absl::InvalidArgumentError(absl::StrCat(path, ": has no rows"));
    facts.rows[name] = rows;
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
  facts.label_names = std::move(resolved.label_names);
  return facts;
}

}  // namespace espalier
