#include "core/spec/dataset_spec.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/files.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "core/spec/fields.h"
#include "core/spec/table.h"
#include "core/spec/tasks.h"

namespace espalier {
namespace {

constexpr size_t kMaxLabels = 10000;
// Labels are stored and sent with every answer about the data set.
constexpr size_t kMaxLabelBytes = 200;
constexpr size_t kMaxLabelsBytes = 64 << 10;

absl::StatusOr<TableFormat> read_format(const std::string& text) {
  static const std::map<std::string, TableFormat> kFormats = {
      {"", TableFormat::kByExtension},           {"FORMAT_UNSPECIFIED", TableFormat::kByExtension},
      {"FORMAT_TSV", TableFormat::kTsv},         {"FORMAT_CSV", TableFormat::kCsv},
      {"FORMAT_JSONL", TableFormat::kJsonLines}, {"FORMAT_PARQUET", TableFormat::kParquet}};
  auto it = kFormats.find(text);
  if (it != kFormats.end()) return it->second;
  return absl::InvalidArgumentError(absl::StrCat(
      "format is \"", text, "\"; known: FORMAT_TSV, FORMAT_CSV, FORMAT_JSONL, FORMAT_PARQUET"));
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

// "0", "2", "10" in the order of numbers, anything else in the order of letters.
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

bool is_unlabelled(const Cell& cell) { return !cell || cell->empty(); }

absl::StatusOr<std::string> split_path(const DatasetSpec& spec, const std::string& split) {
  auto it = spec.splits.find(split);
  if (it != spec.splits.end())
    return spec.folder.empty() ? it->second : spec.folder + "/" + it->second;
  std::vector<std::string> known;
  for (const auto& [name, path] : spec.splits) known.push_back(name);
  return absl::NotFoundError(
      absl::StrCat("the data set has no split ", split, "; it has: ", absl::StrJoin(known, ", ")));
}

absl::StatusOr<std::vector<std::string>> distinct_labels(const std::string& path,
                                                         const DatasetSpec& spec,
                                                         const std::vector<Cell>& cells) {
  std::set<std::string> seen;
  size_t bytes = 0;
  const auto too_long = [&](const std::string& what, size_t most) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": column ", spec.label_column, " holds ", what, "; at most ", most,
        " bytes are allowed; is it mixed up with the text column (", spec.text_column, ")?"));
  };
  for (const Cell& cell : cells) {
    if (is_unlabelled(cell)) continue;
    if (cell->size() > kMaxLabelBytes) {
      return too_long(absl::StrCat("a label of ", cell->size(), " bytes"), kMaxLabelBytes);
    }
    if (seen.insert(*cell).second) bytes += cell->size();
    if (bytes > kMaxLabelsBytes) {
      return too_long("labels that are too long in all", kMaxLabelsBytes);
    }
    if (seen.size() > kMaxLabels) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": column ", spec.label_column,
                                                     " holds more than ", kMaxLabels,
                                                     " different labels; is it the label column?"));
    }
  }
  std::vector<std::string> labels(seen.begin(), seen.end());
  sort_labels(labels);
  return labels;
}

absl::StatusOr<std::vector<std::string>> resolve_labels(const DatasetSpec& spec) {
  if (!spec.label_names.empty()) return spec.label_names;
  ESPALIER_ASSIGN_OR_RETURN(std::string path, split_path(spec, "train"));
  ESPALIER_ASSIGN_OR_RETURN(auto columns, read_table(path, spec.format, {{spec.label_column}}));
  return distinct_labels(path, spec, columns[0]);
}

// Ids of a label column. A split without any label is allowed unless it is train.
absl::Status read_labels(const std::string& path, const DatasetSpec& spec, bool is_train,
                         const std::vector<std::string>& names, const std::vector<Cell>& cells,
                         Rows& out) {
  std::unordered_map<std::string, int32_t> ids;
  for (const std::string& name : names) ids.emplace(name, static_cast<int32_t>(ids.size()));
  const bool labelled = is_train || !std::all_of(cells.begin(), cells.end(), is_unlabelled);
  out.targets.reserve(static_cast<int64_t>(cells.size()));
  for (size_t i = 0; i < cells.size(); ++i) {
    if (!labelled) {
      out.targets.add_unknown();
      continue;
    }
    auto it = is_unlabelled(cells[i]) ? ids.end() : ids.find(*cells[i]);
    if (it == ids.end()) {
      const std::string what = is_unlabelled(cells[i]) ? "the label is empty"
                               : cells[i]->size() > kMaxLabelBytes
                                   ? absl::StrCat("unknown label of ", cells[i]->size(), " bytes")
                                   : absl::StrCat("unknown label \"", *cells[i], "\"");
      std::vector<std::string> known(names.begin(),
                                     names.begin() + std::min<size_t>(names.size(), 20));
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": row ", i + 1, ", column ", spec.label_column, ": ", what,
                       "; known: ", absl::StrJoin(known, ", "), names.size() > 20 ? ", ..." : ""));
    }
    out.targets.add(static_cast<float>(it->second));
  }
  return absl::OkStatus();
}

absl::Status take_texts(const std::string& path, const std::string& column, std::vector<Cell> cells,
                        std::vector<std::string>& out) {
  out.reserve(cells.size());
  for (size_t i = 0; i < cells.size(); ++i) {
    if (!cells[i]) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": row ", i + 1, ", column ", column, ": the text is null"));
    }
    out.push_back(*std::move(cells[i]));
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
  fields.require({"splits"});
  if (const Json* splits = fields.find("splits")) read_splits(fields, *splits, out);
  ESPALIER_RETURN_IF_ERROR(fields.status());
  ESPALIER_ASSIGN_OR_RETURN(out.format, read_format(format));
  // Proto's empty string is an unset field.
  if (!task.empty()) out.task = task;
  if (!text.empty()) out.text_column = text;
  if (!label.empty()) out.label_column = label;
  ESPALIER_RETURN_IF_ERROR(find_task(out.task).status());
  std::set<std::string> distinct(out.label_names.begin(), out.label_names.end());
  if (distinct.size() != out.label_names.size() || distinct.count("") > 0) {
    return absl::InvalidArgumentError("label_names holds an empty name or one twice");
  }
  if (out.label_names.size() > kMaxLabels) {
    return absl::InvalidArgumentError(
        absl::StrCat("label_names has ", out.label_names.size(), " names; at most ", kMaxLabels));
  }
  size_t bytes = 0, longest = 0;
  for (const std::string& name : out.label_names) {
    bytes += name.size();
    longest = std::max(longest, name.size());
  }
  if (longest > kMaxLabelBytes || bytes > kMaxLabelsBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "label_names has ", bytes, " bytes, its longest name ", longest, "; at most ",
        kMaxLabelsBytes, " in all and ", kMaxLabelBytes, " a name are allowed; are they labels of ",
        out.label_column, " or mixed up with the text column (", out.text_column, ")?"));
  }
  if (out.format == TableFormat::kByExtension) {
    for (const auto& [name, path] : out.splits)
      ESPALIER_RETURN_IF_ERROR(format_of_extension(path).status());
  }
  return out;
}

absl::StatusOr<Rows> read_split(const DatasetSpec& spec, const std::string& split) {
  ESPALIER_ASSIGN_OR_RETURN(std::string path, split_path(spec, split));
  std::vector<TextColumn> wanted = {{spec.label_column}, {spec.text_column, true}};
  if (!spec.text_pair_column.empty()) wanted.push_back({spec.text_pair_column, true});
  ESPALIER_ASSIGN_OR_RETURN(auto columns, read_table(path, spec.format, wanted));
  std::vector<std::string> names = spec.label_names;
  const bool is_train = split == "train";
  if (names.empty()) {
    ESPALIER_ASSIGN_OR_RETURN(
        names, is_train ? distinct_labels(path, spec, columns[0]) : resolve_labels(spec));
  }
  Rows out;
  ESPALIER_RETURN_IF_ERROR(read_labels(path, spec, is_train, names, columns[0], out));
  ESPALIER_RETURN_IF_ERROR(take_texts(path, spec.text_column, std::move(columns[1]), out.text));
  if (columns.size() > 2) {
    ESPALIER_RETURN_IF_ERROR(
        take_texts(path, spec.text_pair_column, std::move(columns[2]), out.pair));
  }
  return out;
}

absl::StatusOr<DatasetFacts> inspect_dataset(const DatasetSpec& spec) {
  DatasetFacts facts;
  DatasetSpec resolved = spec;
  ESPALIER_ASSIGN_OR_RETURN(resolved.label_names, resolve_labels(spec));
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
  if (resolved.label_names.size() < 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("train holds ", resolved.label_names.size(), " different labels in column ",
                     spec.label_column, "; classification needs at least 2"));
  }
  facts.label_names = std::move(resolved.label_names);
  return facts;
}

}  // namespace espalier
