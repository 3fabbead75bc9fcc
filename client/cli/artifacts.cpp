// espalier artifacts: create, list, get, report, download, export (artifacts_export.cpp), delete.
#include <iostream>

#include "client/cli/app.h"
#include "client/cli/artifact_text.h"
#include "client/cli/job_document.h"
#include "client/cli/output.h"
#include "client/cli/report_text.h"
#include "client/cli/transfer_view.h"
#include "client/cli/watching.h"
#include "client/cpp/names.h"

namespace espalier::cli {
namespace {

struct ArtifactFlags {
  std::string id, folder, from_model, dataset, name;
};

// The dense model as an artifact, through a job like any other.
ExitCode create(const Context& context, const ArtifactFlags& flags) {
  JobFlags job_flags;
  job_flags.model = flags.from_model;
  job_flags.dataset = flags.dataset;
  job_flags.artifact = flags.name;
  job_flags.base_recipe = "dense";
  if (flags.dataset.empty()) job_flags.finetune_epochs = 0;  // there is nothing to train on
  auto wanted = job_of(job_flags);
  if (!wanted.ok()) return report_error(wanted.status());
  auto job = context.client().create_job("", *wanted);
  if (!job.ok()) return report_error(job.status());
  if (!context.quiet) std::cerr << "submitted job " << client::short_name(job->name()) << "\n";
  auto ended = watch(context, job->name());
  if (!ended.ok()) return report_error(ended.status());
  if (ended->state() != v1::Job::STATE_SUCCEEDED || ended->artifacts().empty())
    return show_ended(context, ended);
  return show(context, context.client().get_artifact(ended->artifacts(0)), artifact_text);
}

ExitCode report(const Context& context, const std::string& id) {
  auto report = context.client().get_report(id);
  return show(context, report,
              [](const google::protobuf::Struct& r) { return report_text(to_json(r)); });
}

ExitCode download(const Context& context, const ArtifactFlags& flags) {
  absl::StatusOr<v1::Artifact> artifact;
  {
    TransferView view(context.quiet);
    artifact = context.client().download_artifact(flags.id, flags.folder, view.callback());
  }
  return show(context, artifact, artifact_text);
}

}  // namespace

void add_artifacts(CLI::App& app, Context& context) {
  auto* artifacts = add_command(app, "artifacts", "Published results", "espalier artifacts list");
  artifacts->require_subcommand(1);
  auto flags = std::make_shared<ArtifactFlags>();

  auto* created = add_command(
      *artifacts, "create", "Publish a dense model, fine-tuned when a data set is given",
      "espalier artifacts create --from-model minilm --dataset reviews --name dense");
  created->add_option("--from-model", flags->from_model, "The model")->required();
  created->add_option("--dataset", flags->dataset,
                      "Data set to fine-tune and measure on; without one the model's own head is "
                      "published as it is");
  created->add_option("--name", flags->name, "Name of the artifact; default: the job's");
  created->callback([&context, flags] {
    context.action = [&context, flags] { return create(context, *flags); };
  });

  auto* list =
      add_command(*artifacts, "list", "All artifacts, newest first", "espalier artifacts list");
  list->callback([&context] {
    context.action = [&context] {
      return show(context, context.client().list_artifacts(), artifacts_text);
    };
  });

  auto* get = add_command(*artifacts, "get", "One artifact with its files and hashes",
                          "espalier artifacts get first");
  get->add_option("NAME", flags->id, "The artifact")->required();
  get->callback([&context, flags] {
    context.action = [&context, flags] {
      return show(context, context.client().get_artifact(flags->id), artifact_text);
    };
  });

  auto* reported = add_command(*artifacts, "report",
                               "What an artifact costs and is worth against the dense model, and "
                               "what is left of each layer",
                               "espalier artifacts report first");
  reported->add_option("NAME", flags->id, "The artifact")->required();
  reported->callback([&context, flags] {
    context.action = [&context, flags] { return report(context, flags->id); };
  });

  auto* downloaded =
      add_command(*artifacts, "download", "Write an artifact's files to a folder, hashes checked",
                  "espalier artifacts download first ./first");
  downloaded->add_option("NAME", flags->id, "The artifact")->required();
  downloaded->add_option("FOLDER", flags->folder, "Where to")->required();
  downloaded->callback([&context, flags] {
    context.action = [&context, flags] { return download(context, *flags); };
  });

  add_artifacts_export(*artifacts, context);

  auto* remove = add_command(*artifacts, "delete", "Remove an artifact that no endpoint serves",
                             "espalier artifacts delete first");
  remove->add_option("NAME", flags->id, "The artifact")->required();
  remove->callback([&context, flags] {
    context.action = [&context, flags] {
      return show_deleted(context, flags->id, context.client().delete_artifact(flags->id));
    };
  });
}

}  // namespace espalier::cli
