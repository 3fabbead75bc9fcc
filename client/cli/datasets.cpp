// espalier datasets: upload, list, get, delete.
#include <filesystem>
#include <iostream>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/app.h"
#include "client/cli/class_weights.h"
#include "client/cli/output.h"
#include "client/cli/table.h"
#include "client/cli/transfer_view.h"
#include "client/cpp/names.h"

namespace espalier::cli {
namespace {

struct UploadFlags {
  std::string id, format, task, text_column, text_pair_column, image_column, label_column, metric;
  std::string class_weights;  // see parse_class_weights()
  std::vector<std::string> label_names, column_names;
  std::map<std::string, std::string> splits;  // split -> local file
  std::map<std::string, std::string> under;   // split -> folder in its archive
};

// What comes from which column; archives and SQuAD files have none.
std::string columns_text(const v1::Dataset& dataset) {
  std::vector<std::string> columns;
  for (const auto& [what, column] :
       {std::pair("text: ", dataset.text_column()), std::pair("pair: ", dataset.text_pair_column()),
        std::pair("image: ", dataset.image_column()),
        std::pair("label: ", dataset.label_column())}) {
    if (!column.empty()) columns.push_back(what + column);
  }
  return columns.empty() ? "none" : absl::StrJoin(columns, ", ");
}

// ".tar.xz" of an archive's whole name, ".tsv" of another's.
std::string extension_of(const std::string& local) {
  const std::filesystem::path name =
      absl::AsciiStrToLower(std::filesystem::path(local).filename().string());
  const std::string last = name.extension().string();
  return name.stem().extension() == ".tar" ? ".tar" + last : last;
}

std::string text_of(const v1::Dataset& dataset) {
  std::string text = absl::StrCat("name     ", client::short_name(dataset.name()), "\nstate    ",
                                  state_text(v1::Dataset::State_Name(dataset.state())), "\n");
  if (dataset.has_failure() && !dataset.failure().reason().empty()) {
    absl::StrAppend(&text, "refused  ", dataset.failure().reason(), ": ",
                    dataset.failure().message(), "\n");
  }
  absl::StrAppend(&text, "task     ", dataset.task(), "\ncolumns  ", columns_text(dataset));
  absl::StrAppend(&text, "\nlabels   ", absl::StrJoin(dataset.label_names(), ", "), "\n");
  if (!dataset.metric().empty()) absl::StrAppend(&text, "metric   ", dataset.metric(), "\n");
  if (dataset.has_class_weights())
    absl::StrAppend(&text, "weights  ", class_weights_text(dataset.class_weights()), "\n");
  for (const auto& split : dataset.splits()) {
    absl::StrAppend(&text, "split    ", split.name(), "  ", split.rows(), " rows  ", split.path());
    if (!split.under().empty()) absl::StrAppend(&text, "  under ", split.under());
    absl::StrAppend(&text, "\n");
  }
  return absl::StrCat(text, "created  ", time_text(dataset.create_time()), "\n");
}

std::string text_of(const v1::ListDatasetsResponse& list) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& dataset : list.datasets()) {
    std::vector<std::string> splits;
    for (const auto& split : dataset.splits()) {
      splits.push_back(absl::StrCat(split.name(), " ", split.rows()));
    }
    rows.push_back({client::short_name(dataset.name()),
                    state_text(v1::Dataset::State_Name(dataset.state())), dataset.task(),
                    absl::StrJoin(dataset.label_names(), ","), absl::StrJoin(splits, ", "),
                    time_text(dataset.create_time())});
  }
  return table({"NAME", "STATE", "TASK", "LABELS", "SPLITS", "CREATED"}, rows);
}

// Which flag gave the files that a refusal names: they were sent as "train.tsv", whatever they are
// called here.
std::string origins_text(const v1::Dataset& dataset, const std::vector<client::LocalFile>& files,
                         const std::string& refusal) {
  std::string text;
  for (const auto& file : files) {
    if (!absl::StrContains(refusal, file.path) || absl::StrContains(refusal, file.local)) continue;
    for (const auto& split : dataset.splits()) {
      if (split.path() == file.path)
        absl::StrAppend(&text, "  ", file.path, " is --", split.name(), " ", file.local, "\n");
    }
  }
  return text;
}

ExitCode upload(const Context& context, const UploadFlags& flags) {
  v1::Dataset dataset;
  dataset.set_task(flags.task);
  dataset.set_metric(flags.metric);
  dataset.set_text_column(flags.text_column);
  dataset.set_text_pair_column(flags.text_pair_column);
  dataset.set_image_column(flags.image_column);
  dataset.set_label_column(flags.label_column);
  for (const auto& name : flags.label_names) dataset.add_label_names(name);
  for (const auto& name : flags.column_names) dataset.add_column_names(name);
  if (!flags.class_weights.empty()) {
    auto weights = parse_class_weights(flags.class_weights);
    if (!weights.ok()) return report_error(weights.status());
    *dataset.mutable_class_weights() = *std::move(weights);
  }
  if (flags.format == "tsv") dataset.set_format(v1::Dataset::FORMAT_TSV);
  if (flags.format == "csv") dataset.set_format(v1::Dataset::FORMAT_CSV);
  if (flags.format == "jsonl") dataset.set_format(v1::Dataset::FORMAT_JSONL);
  if (flags.format == "parquet") dataset.set_format(v1::Dataset::FORMAT_PARQUET);
  if (flags.format == "squad") dataset.set_format(v1::Dataset::FORMAT_SQUAD);
  std::vector<client::LocalFile> files;
  std::map<std::string, std::string> path_of;  // by local file: an archive may hold several splits
  for (const auto& [name, local] : flags.splits) {
    const auto under = flags.under.find(name);
    const bool is_part = under != flags.under.end() && !under->second.empty();
    if (local.empty()) {
      if (!is_part) continue;
      return report_error(usage_error(absl::StrCat("--", name, "-under came without --", name)));
    }
    // "train.tsv": two splits may come from files of one name in different folders.
    const auto [path, is_new] = path_of.emplace(local, name + extension_of(local));
    if (is_new) files.push_back({path->second, local});
    auto& split = *dataset.add_splits();
    split.set_name(name);
    split.set_path(path->second);
    if (is_part) split.set_under(under->second);
  }
  absl::StatusOr<v1::Dataset> uploaded;
  {
    TransferView view(context.quiet);
    uploaded = context.client().upload_dataset(flags.id, dataset, files, view.callback());
  }
  const ExitCode code = show(context, uploaded, [](const v1::Dataset& d) { return text_of(d); });
  std::cerr << origins_text(dataset, files, std::string(uploaded.status().message()));
  return code;
}

// Which file is which split.
void add_split_options(CLI::App& command, UploadFlags& flags) {
  command
      .add_option("--train", flags.splits["train"],
                  "File to train on; select, calibrate and report are carved from it if missing")
      ->required();
  command.add_option("--select", flags.splits["select"], "File to choose checkpoints on");
  command.add_option("--calibrate", flags.splits["calibrate"],
                     "File to choose exit thresholds on; labels of single classes may be left out");
  command.add_option("--report", flags.splits["report"], "File to report figures on");
  command.add_option("--unlabelled", flags.splits["unlabelled"],
                     "File of further rows for distillation; labels in it are ignored");
  for (const char* split : {"train", "select", "calibrate", "report", "unlabelled"}) {
    command.add_option(absl::StrCat("--", split, "-under"), flags.under[split],
                       "Folder in that file, an archive of images, that holds this split");
  }
}

// What stands in the files.
void add_content_options(CLI::App& command, UploadFlags& flags) {
  command
      .add_option("--task", flags.task,
                  "text-classification, regression, multi-label-classification, "
                  "token-classification, question-answering, fill-mask or image-classification")
      ->default_val("text-classification")
      ->capture_default_str();
  command.add_option("--format", flags.format, "Default: by the files' extension")
      ->check(CLI::IsMember({"tsv", "csv", "jsonl", "parquet", "squad"}));
  command.add_option("--text-column", flags.text_column, "Column of the text; default: text");
  command.add_option("--text-pair-column", flags.text_pair_column,
                     "Column of the second text of a pair");
  command.add_option("--image-column", flags.image_column,
                     "Column of the images in a Parquet file; default: image");
  command.add_option(
      "--label-column", flags.label_column,
      "Column of the label; default: label, and none for fill-mask, SQuAD files and archives");
  command
      .add_option("--label-names", flags.label_names, "Labels in the order of their ids, as a,b")
      ->delimiter(',');
  command
      .add_option("--column-names", flags.column_names,
                  "Columns of TSV and CSV files that have no header, as a,b")
      ->delimiter(',');
  command.add_option("--metric", flags.metric,
                     "The metric that decides, for example matthews; default: the task's first");
  command.add_option("--class-weights", flags.class_weights,
                     "What labels count in training: balanced (rare ones more), or their weights, "
                     "as a=1,b=3; labels that are not named have 1");
}

using Flags = std::shared_ptr<UploadFlags>;

void add_upload(CLI::App& datasets, Context& context, const Flags& flags) {
  auto* command = add_command(
      datasets, "upload", "Upload a data set and wait until it is checked",
      "espalier datasets upload sst2 --train train.tsv --report dev.tsv --text-column sentence");
  command->add_option("NAME", flags->id, "Name: lower-case letters, digits and dashes")->required();
  add_split_options(*command, *flags);
  add_content_options(*command, *flags);
  command->callback([&context, flags] {
    context.action = [&context, flags] { return upload(context, *flags); };
  });
}

void add_list(CLI::App& datasets, Context& context) {
  auto* list =
      add_command(datasets, "list", "All data sets, newest first", "espalier datasets list");
  list->callback([&context] {
    context.action = [&context] {
      return show(context, context.client().list_datasets(),
                  [](const v1::ListDatasetsResponse& l) { return text_of(l); });
    };
  });
}

void add_get(CLI::App& datasets, Context& context, const Flags& flags) {
  auto* get = add_command(datasets, "get", "One data set", "espalier datasets get sst2");
  get->add_option("NAME", flags->id, "The data set")->required();
  get->callback([&context, flags] {
    context.action = [&context, flags] {
      return show(context, context.client().get_dataset(flags->id),
                  [](const v1::Dataset& d) { return text_of(d); });
    };
  });
}

void add_delete(CLI::App& datasets, Context& context, const Flags& flags) {
  auto* remove = add_command(datasets, "delete", "Remove a data set that no unfinished job uses",
                             "espalier datasets delete sst2");
  remove->add_option("NAME", flags->id, "The data set")->required();
  remove->callback([&context, flags] {
    context.action = [&context, flags] {
      return show_deleted(context, flags->id, context.client().delete_dataset(flags->id));
    };
  });
}

}  // namespace

void add_datasets(CLI::App& app, Context& context) {
  auto* datasets = add_command(app, "datasets", "Labelled data to train and measure on",
                               "espalier datasets list");
  datasets->require_subcommand(1);
  const auto flags = std::make_shared<UploadFlags>();
  add_upload(*datasets, context, flags);
  add_list(*datasets, context);
  add_get(*datasets, context, flags);
  add_delete(*datasets, context, flags);
}

}  // namespace espalier::cli
