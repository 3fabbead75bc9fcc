#include "core/spec/dataset_spec.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/files.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "core/spec/fields.h"
#include "core/spec/labels.h"
#include "core/spec/squad_file.h"
#include "core/spec/table.h"
#include "core/spec/tasks.h"

namespace espalier {
namespace {

absl::StatusOr<TableFormat> read_format(const std::string& text) {
  static const std::map<std::string, TableFormat> kFormats = {
      {"", TableFormat::kByExtension},           {"FORMAT_UNSPECIFIED", TableFormat::kByExtension},
      {"FORMAT_TSV", TableFormat::kTsv},         {"FORMAT_CSV", TableFormat::kCsv},
      {"FORMAT_JSONL", TableFormat::kJsonLines}, {"FORMAT_PARQUET", TableFormat::kParquet},
      {"FORMAT_SQUAD", TableFormat::kSquad}};
  auto it = kFormats.find(text);
  if (it != kFormats.end()) return it->second;
  return absl::InvalidArgumentError(absl::StrCat(
      "format is \"", text,
      "\"; known: FORMAT_TSV, FORMAT_CSV, FORMAT_JSONL, FORMAT_PARQUET, FORMAT_SQUAD"));
}

void read_splits(Fields& fields, const Json& list, DatasetSpec& out) {
  static const std::set<std::string> kKnown = {"train", "select", "calibrate", "report"};
  if (!list.is_array()) return fields.fail("splits must be a list of {name, path}");
  for (size_t i = 0; i < list.size(); ++i) {
    Fields split(list[i], absl::StrCat("splits[", i, "]"));
    std::string name, path;
    split.require({"name", "path"});
    split.string("name", name);
    split.string("path", path);
    if (split.status().ok() && kKnown.count(name) == 0) {
      split.fail(absl::StrCat(split.path("name"), " is \"", name,
                              "\"; known: ", absl::StrJoin(kKnown, ", ")));
    }
    if (split.status().ok()) split.check(check_relative_path(path));
    for (const auto& [other, taken] : out.splits) {
      if (split.status().ok() && taken == path) {
        split.fail(absl::StrCat("splits ", other, " and ", name, " are both ", path,
                                "; a row must serve one of them"));
      }
    }
    if (split.status().ok() && !out.splits.emplace(name, path).second) {
      split.fail(absl::StrCat("splits names ", name, " twice"));
    }
    fields.check(split.status());
  }
  if (out.splits.count("train") == 0)
    fields.fail("splits has no train; it is required, the others are carved from it");
}

absl::StatusOr<std::string> split_path(const DatasetSpec& spec, const std::string& split) {
  auto it = spec.splits.find(split);
  if (it != spec.splits.end())
    return spec.folder.empty() ? it->second : spec.folder + "/" + it->second;
  std::vector<std::string> known;
  for (const auto& [name, path] : spec.splits) known.push_back(name);
  return absl::NotFoundError(
      absl::StrCat("the data set has no split ", split, "; it has: ", absl::StrJoin(known, ", ")));
}

// SQuAD files are for questions, and questions are in SQuAD files.
absl::Status check_format(const DatasetSpec& spec, Objective objective, const std::string& path) {
  TableFormat format = spec.format;
  if (format == TableFormat::kByExtension) {
    ESPALIER_ASSIGN_OR_RETURN(format, format_of_extension(path));
  }
  const bool is_squad = format == TableFormat::kSquad, asks = objective == Objective::kSpan;
  if (is_squad == asks) return absl::OkStatus();
  return absl::InvalidArgumentError(
      asks ? absl::StrCat(path, ": ", spec.task,
                          " reads SQuAD's JSON; the extension .json or FORMAT_SQUAD would work")
           : absl::StrCat(path, ": a SQuAD file is for question-answering, and the task is ",
                          spec.task, "; .tsv, .csv, .jsonl or .parquet would work"));
}

// May a cell of the label or text column be a list?
TextColumn label_column(const DatasetSpec& spec, Objective objective) {
  const bool list = objective == Objective::kLabels || objective == Objective::kTokenClasses;
  return {spec.label_column, false, list};
}

LabelCells labels_in(const std::string& path, const DatasetSpec& spec, Objective objective,
                     const std::vector<Cell>& cells) {
  return {path, spec.label_column, spec.text_column, objective, cells};
}

absl::StatusOr<std::vector<std::string>> resolve_no_answer(const std::string& train) {
  ESPALIER_ASSIGN_OR_RETURN(const Rows rows, read_squad(train, true));
  const bool all = std::all_of(rows.answers.begin(), rows.answers.end(),
                               [](const RightAnswers& right) { return !right.texts.empty(); });
  return all ? std::vector<std::string>() : std::vector<std::string>{kNoAnswer};
}

absl::StatusOr<std::vector<std::string>> resolve_labels(const DatasetSpec& spec,
                                                        Objective objective) {
  if (!spec.label_names.empty() || objective == Objective::kValue) return spec.label_names;
  if (objective == Objective::kWords) return next_sentence_names(!spec.text_pair_column.empty());
  ESPALIER_ASSIGN_OR_RETURN(std::string path, split_path(spec, "train"));
  ESPALIER_RETURN_IF_ERROR(check_format(spec, objective, path));
  if (objective == Objective::kSpan) return resolve_no_answer(path);
  ESPALIER_ASSIGN_OR_RETURN(
      auto columns,
      read_table(path, spec.format, {label_column(spec, objective)}, spec.column_names));
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

// The labels of masked language modelling say whether a second text follows the first.
absl::Status check_sentence_columns(const DatasetSpec& spec) {
  const bool pairs = !spec.text_pair_column.empty();
  if (!spec.label_column.empty() && !pairs) {
    return absl::InvalidArgumentError(absl::StrCat(
        "label_column is ", spec.label_column, ", but ", spec.task, " has labels of pairs only, ",
        "\"0\" where the second text follows the first and else \"1\"; set text_pair_column too, ",
        "or neither"));
  }
  if (const size_t names = spec.label_names.size(); names != 0 && (!pairs || names != 2)) {
    return absl::InvalidArgumentError(
        absl::StrCat("label_names has ", names, " names; ", spec.task, " has ",
                     pairs ? "two, of pairs that follow each other and of others"
                           : "none without text_pair_column"));
  }
  return absl::OkStatus();
}

absl::Status check_label_names(const DatasetSpec& spec, Objective objective) {
  const std::vector<std::string>& names = spec.label_names;
  if (objective == Objective::kValue && !names.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("label_names is set, but the labels of ", spec.task, " are numbers"));
  }
  if (objective == Objective::kWords) ESPALIER_RETURN_IF_ERROR(check_sentence_columns(spec));
  if (objective == Objective::kSpan && !names.empty() &&
      names != std::vector<std::string>{kNoAnswer}) {
    return absl::InvalidArgumentError(
        absl::StrCat("label_names has ", names.size(), " names, but the answers of ", spec.task,
                     " are parts of the text; \"", kNoAnswer, "\" alone, or no name, would work"));
  }
  const std::set<std::string> distinct(names.begin(), names.end());
  if (distinct.size() != names.size() || distinct.count("") > 0)
    return absl::InvalidArgumentError("label_names holds an empty name or one twice");
  if (names.size() > kMaxLabels) {
    return absl::InvalidArgumentError(
        absl::StrCat("label_names has ", names.size(), " names; at most ", kMaxLabels));
  }
  size_t bytes = 0, longest = 0;
  for (const std::string& name : names) {
    bytes += name.size();
    longest = std::max(longest, name.size());
  }
  if (longest <= kMaxLabelBytes && bytes <= kMaxLabelsBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "label_names has ", bytes, " bytes, its longest name ", longest, "; at most ",
      kMaxLabelsBytes, " in all and ", kMaxLabelBytes, " a name are allowed; are they labels of ",
      spec.label_column, " or mixed up with the text column (", spec.text_column, ")?"));
}

absl::Status check_column_names(const DatasetSpec& spec) {
  const std::vector<std::string>& names = spec.column_names;
  if (names.empty()) return absl::OkStatus();
  const std::set<std::string> distinct(names.begin(), names.end());
  if (distinct.size() != names.size() || distinct.count("") > 0)
    return absl::InvalidArgumentError("column_names holds an empty name or one twice");
  for (const std::string& wanted : {spec.text_column, spec.text_pair_column, spec.label_column}) {
    if (wanted.empty() || distinct.count(wanted) > 0) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("column_names has no ", wanted, "; it has: ", absl::StrJoin(names, ", ")));
  }
  for (const auto& [split, path] : spec.splits) {
    TableFormat format = spec.format;
    if (format == TableFormat::kByExtension) {
      ESPALIER_ASSIGN_OR_RETURN(format, format_of_extension(path));
    }
    if (format == TableFormat::kTsv || format == TableFormat::kCsv) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "column_names is for TSV and CSV files without a header; ", path, " names its columns"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<DatasetSpec> read_dataset_spec(const Json& dataset, const std::string& folder) {
  Fields fields(dataset);
  ESPALIER_RETURN_IF_ERROR(fields.status());
  DatasetSpec out;
  out.folder = folder;
  std::string format, task, text, label;
  fields.string("format", format);
  fields.string("task", task);
  fields.string("text_column", text);
  fields.string("text_pair_column", out.text_pair_column);
  fields.string("label_column", label);
  fields.strings("label_names", out.label_names);
  fields.strings("column_names", out.column_names);
  fields.string("metric", out.metric);
  fields.require({"splits"});
  if (const Json* splits = fields.find("splits")) read_splits(fields, *splits, out);
  ESPALIER_RETURN_IF_ERROR(fields.status());
  ESPALIER_ASSIGN_OR_RETURN(out.format, read_format(format));
  // Proto's empty string is an unset field.
  if (!task.empty()) out.task = task;
  if (!text.empty()) out.text_column = text;
  ESPALIER_ASSIGN_OR_RETURN(const TaskKind kind, find_task(out.task));
  if (!label.empty() || !needs_labels(kind.objective)) out.label_column = label;
  if (kind.objective == Objective::kTokenClasses && !out.text_pair_column.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("text_pair_column is set, but ", out.task, " reads single texts"));
  }
  if (kind.objective == Objective::kSpan && !out.text_pair_column.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("text_pair_column is set, but ", out.task,
                                                   " reads SQuAD files, which have no columns"));
  }
  ESPALIER_RETURN_IF_ERROR(check_label_names(out, kind.objective));
  // Without names it can only be checked when train has been read.
  if (!out.label_names.empty() || fewest_labels(kind.objective) == 0) {
    const bool follow = kind.objective == Objective::kWords && out.label_names.empty();
    ESPALIER_RETURN_IF_ERROR(check_metric(
        kind.objective,
        follow ? next_sentence_names(!out.text_pair_column.empty()) : out.label_names, out.metric));
  }
  for (const auto& [name, path] : out.splits)
    ESPALIER_RETURN_IF_ERROR(check_format(out, kind.objective, path));
  ESPALIER_RETURN_IF_ERROR(check_column_names(out));
  return out;
}

absl::StatusOr<Rows> read_split(const DatasetSpec& spec, const std::string& split) {
  ESPALIER_ASSIGN_OR_RETURN(const TaskKind kind, find_task(spec.task));
  ESPALIER_ASSIGN_OR_RETURN(std::string path, split_path(spec, split));
  ESPALIER_RETURN_IF_ERROR(check_format(spec, kind.objective, path));
  if (kind.objective == Objective::kSpan) return read_squad(path, split == "train");
  const bool words = kind.objective == Objective::kTokenClasses;
  const bool labels = needs_labels(kind.objective) || !spec.label_column.empty();
  std::vector<TextColumn> wanted = {{spec.text_column, true, words}};
  if (labels) wanted.insert(wanted.begin(), label_column(spec, kind.objective));
  if (!spec.text_pair_column.empty()) wanted.push_back({spec.text_pair_column, true});
  ESPALIER_ASSIGN_OR_RETURN(auto columns, read_table(path, spec.format, wanted, spec.column_names));
  ESPALIER_ASSIGN_OR_RETURN(std::vector<std::string> names, resolve_labels(spec, kind.objective));
  Rows out;
  size_t next = 0;
  if (labels) {
    ESPALIER_ASSIGN_OR_RETURN(
        out.targets, read_targets(labels_in(path, spec, kind.objective, columns[next++]), names,
                                  split == "train"));
  } else {
    out.targets = sentences_not_known(columns[0].size());
  }
  if (words) {
    ESPALIER_RETURN_IF_ERROR(take_words(path, spec, columns[next], out));
    return out;
  }
  ESPALIER_RETURN_IF_ERROR(
      take_texts(path, spec.text_column, std::move(columns[next++]), out.text));
  if (next < columns.size()) {
    ESPALIER_RETURN_IF_ERROR(
        take_texts(path, spec.text_pair_column, std::move(columns[next]), out.pair));
    out.pairs_follow = !labels;
  }
  return out;
}

absl::StatusOr<DatasetFacts> inspect_dataset(const DatasetSpec& spec) {
  DatasetFacts facts;
  DatasetSpec resolved = spec;
  ESPALIER_ASSIGN_OR_RETURN(const TaskKind kind, find_task(spec.task));
  ESPALIER_ASSIGN_OR_RETURN(resolved.label_names, resolve_labels(spec, kind.objective));
  std::map<std::string, std::string> split_of;  // by content
  for (const auto& [name, path] : spec.splits) {
    ESPALIER_ASSIGN_OR_RETURN(const std::string file, split_path(spec, name));
    ESPALIER_ASSIGN_OR_RETURN(const std::string digest, sha256_of_file(file));
    if (auto [first, is_new] = split_of.emplace(digest, name); !is_new) {
      return absl::InvalidArgumentError(
          absl::StrCat("splits ", first->second, " and ", name,
                       " hold the same bytes; a row must serve one of them"));
    }
    ESPALIER_ASSIGN_OR_RETURN(Rows rows, read_split(resolved, name));
    if (rows.size() == 0) return absl::InvalidArgumentError(absl::StrCat(path, ": has no rows"));
    facts.rows[name] = rows.size();
  }
  const int fewest = fewest_labels(kind.objective);
  if (static_cast<int>(resolved.label_names.size()) < fewest) {
    return absl::InvalidArgumentError(
        absl::StrCat("train holds ", resolved.label_names.size(), " different labels in column ",
                     spec.label_column, "; ", spec.task, " needs at least ", fewest));
  }
  ESPALIER_RETURN_IF_ERROR(check_metric(kind.objective, resolved.label_names, spec.metric));
  facts.label_names = std::move(resolved.label_names);
  return facts;
}

}  // namespace espalier
