#include "core/spec/dataset_spec.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/files.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "core/spec/class_folders.h"
#include "core/spec/fields.h"
#include "core/spec/image_split.h"
#include "core/spec/labels.h"
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
  static const std::set<std::string> kKnown = {"train", "select", "calibrate", "report",
                                               kUnlabelled};
  if (!list.is_array()) return fields.fail("splits must be a list of {name, path}");
  for (size_t i = 0; i < list.size(); ++i) {
    Fields split(list[i], absl::StrCat("splits[", i, "]"));
    std::string name, path, under;
    split.require({"name", "path"});
    split.string("name", name);
    split.string("path", path);
    split.string("under", under);
    if (!under.empty() && under.back() == '/') under.pop_back();
    if (split.status().ok() && kKnown.count(name) == 0) {
      split.fail(absl::StrCat(split.path("name"), " is \"", name,
                              "\"; known: ", absl::StrJoin(kKnown, ", ")));
    }
    if (split.status().ok()) split.check(check_relative_path(path));
    if (split.status().ok() && !under.empty()) split.check(check_relative_path(under));
    for (const auto& [other, taken] : out.splits) {
      if (split.status().ok() && taken == path && overlap(under, under_of(out, other))) {
        split.fail(absl::StrCat("splits ", other, " and ", name, " are both ", path,
                                "; a row must serve one of them"));
      }
    }
    if (!under.empty()) out.under[name] = under;
    if (split.status().ok() && !out.splits.emplace(name, path).second) {
      split.fail(absl::StrCat("splits names ", name, " twice"));
    }
    fields.check(split.status());
  }
  if (out.splits.count("train") == 0)
    fields.fail("splits has no train; it is required, the others are carved from it");
}

void read_digests(Fields& fields, const Json& list, DatasetSpec& out) {
  if (!list.is_array()) return fields.fail("files must be a list of {path, sha256}");
  for (size_t i = 0; i < list.size(); ++i) {
    Fields file(list[i], absl::StrCat("files[", i, "]"));
    std::string path, sha256;
    file.string("path", path);
    file.string("sha256", sha256);
    if (!sha256.empty()) out.digests[path] = sha256;
    fields.check(file.status());
  }
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

absl::Status check_unlabelled(const DatasetSpec& spec, Objective objective) {
  if (needs_labels(objective) || !spec.splits.contains(kUnlabelled)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("splits has ", kUnlabelled, ", but ", spec.task,
                   " needs none: its train rows need no labels, so these can be train's too"));
}

// The defaults may stand in fields that say nothing: the service once wrote them there.
absl::Status check_no_columns(const DatasetSpec& spec) {
  const DatasetSpec unset;
  const char* set = spec.text_column != unset.text_column             ? "text_column"
                    : spec.text_pair_column != unset.text_pair_column ? "text_pair_column"
                    : spec.label_column != unset.label_column         ? "label_column"
                                                                      : nullptr;
  if (set == nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(set, " is set, but ", spec.task, " reads SQuAD files, which have no columns"));
}

// As above; tables beside archives may need columns.
absl::Status check_no_image_columns(const DatasetSpec& spec) {
  const DatasetSpec unset;
  const char* set = spec.image_column != unset.image_column   ? "image_column"
                    : spec.label_column != unset.label_column ? "label_column"
                                                              : nullptr;
  if (set == nullptr) return absl::OkStatus();
  for (const auto& [name, path] : spec.splits) {
    if (!in_class_folders(spec, path)) return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      set, " is set, but ", spec.splits.at("train"), " is an archive, which has no columns: its ",
      "files are the images, and the folders that hold them the labels; leave it out"));
}

// Fields that are of texts are for texts, those of images for images. `text`, `image`: the columns
// as they were given.
absl::Status check_columns(const DatasetSpec& spec, const TaskKind& kind, const std::string& text,
                           const std::string& image) {
  const bool images = kind.reads == Reads::kImage;
  const auto refuse = [&](const char* field, const char* instead) {
    return absl::InvalidArgumentError(absl::StrCat(field, " is set, but ", spec.task, " reads ",
                                                   images ? "images" : "texts", "; ", instead));
  };
  if (images && !text.empty()) return refuse("text_column", "set image_column, or neither");
  if (images && !spec.text_pair_column.empty())
    return refuse("text_pair_column", "an image has no second one");
  if (images && !spec.column_names.empty())
    return refuse("column_names", "Parquet files name their columns, archives have none");
  if (!images && !image.empty()) return refuse("image_column", "set text_column, or neither");
  if (images) ESPALIER_RETURN_IF_ERROR(check_no_image_columns(spec));
  for (const auto& [name, under] : spec.under) {
    const auto split = spec.splits.find(name);
    if (split == spec.splits.end() || in_class_folders(spec, split->second)) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("split ", name, " is to lie under ", under, ", but ", split->second,
                     " is no archive (.tar, .tar.gz, .tar.xz, .zip)"));
  }
  return absl::OkStatus();
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

absl::StatusOr<std::string> split_path(const DatasetSpec& spec, const std::string& split) {
  auto it = spec.splits.find(split);
  if (it != spec.splits.end())
    return spec.folder.empty() ? it->second : spec.folder + "/" + it->second;
  std::vector<std::string> known;
  for (const auto& [name, path] : spec.splits) known.push_back(name);
  return absl::NotFoundError(
      absl::StrCat("the data set has no split ", split, "; it has: ", absl::StrJoin(known, ", ")));
}

absl::StatusOr<std::string> split_digest(const DatasetSpec& spec, const std::string& split) {
  ESPALIER_ASSIGN_OR_RETURN(const std::string file, split_path(spec, split));
  const auto known = spec.digests.find(spec.splits.at(split));
  if (known != spec.digests.end()) return known->second;
  return sha256_of_file(file);
}

std::string under_of(const DatasetSpec& spec, const std::string& split) {
  const auto found = spec.under.find(split);
  return found == spec.under.end() ? "" : found->second;
}

absl::Status check_format(const DatasetSpec& spec, const TaskKind& kind, const std::string& path) {
  const Objective objective = kind.objective;
  if (kind.reads == Reads::kImage) return check_image_format(spec, path);
  if (in_class_folders(spec, path)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": an archive is for image-classification, and the task is ", spec.task,
                     "; unpack the file that is the split"));
  }
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

absl::StatusOr<DatasetSpec> read_dataset_spec(const Json& dataset, const std::string& folder) {
  Fields fields(dataset);
  ESPALIER_RETURN_IF_ERROR(fields.status());
  DatasetSpec out;
  out.folder = folder;
  std::string format, task, text, label, image;
  fields.string("format", format);
  fields.string("task", task);
  fields.string("text_column", text);
  fields.string("text_pair_column", out.text_pair_column);
  fields.string("image_column", image);
  fields.string("label_column", label);
  fields.strings("label_names", out.label_names);
  fields.strings("column_names", out.column_names);
  fields.string("metric", out.metric);
  fields.require({"splits"});
  if (const Json* splits = fields.find("splits")) read_splits(fields, *splits, out);
  if (const Json* files = fields.find("files")) read_digests(fields, *files, out);
  ESPALIER_RETURN_IF_ERROR(fields.status());
  ESPALIER_ASSIGN_OR_RETURN(out.format, read_format(format));
  // Proto's empty string is an unset field.
  if (!task.empty()) out.task = task;
  if (!text.empty()) out.text_column = text;
  if (!image.empty()) out.image_column = image;
  ESPALIER_ASSIGN_OR_RETURN(const TaskKind kind, find_task(out.task));
  if (!label.empty() || !needs_labels(kind.objective)) out.label_column = label;
  if (kind.objective == Objective::kTokenClasses && !out.text_pair_column.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("text_pair_column is set, but ", out.task, " reads single texts"));
  }
  if (const Json* weights = fields.find("class_weights")) {
    ESPALIER_ASSIGN_OR_RETURN(out.class_weights, read_class_weights(*weights));
  }
  ESPALIER_RETURN_IF_ERROR(check_class_weights(out.class_weights, kind));
  if (kind.objective == Objective::kSpan) ESPALIER_RETURN_IF_ERROR(check_no_columns(out));
  ESPALIER_RETURN_IF_ERROR(check_label_names(out, kind.objective));
  ESPALIER_RETURN_IF_ERROR(check_unlabelled(out, kind.objective));
  // Without names it can only be checked when train has been read.
  if (!out.label_names.empty() || fewest_labels(kind.objective) == 0) {
    const bool follow = kind.objective == Objective::kWords && out.label_names.empty();
    ESPALIER_RETURN_IF_ERROR(check_metric(
        kind.objective,
        follow ? next_sentence_names(!out.text_pair_column.empty()) : out.label_names, out.metric));
    ESPALIER_RETURN_IF_ERROR(check_weighed_names(out.class_weights, out.label_names));
  }
  for (const auto& [name, path] : out.splits)
    ESPALIER_RETURN_IF_ERROR(check_format(out, kind, path));
  ESPALIER_RETURN_IF_ERROR(check_columns(out, kind, text, image));
  ESPALIER_RETURN_IF_ERROR(check_column_names(out));
  return out;
}

}  // namespace espalier
