// espalier artifacts export: an artifact as files for other programs.
#include <filesystem>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "client/cli/app.h"
#include "client/cli/output.h"
#include "client/cli/transfer_view.h"
#include "core/base/files.h"
#include "core/base/status_macros.h"
#include "core/export/export.h"

namespace espalier::cli {
namespace {

struct ExportFlags {
  std::string artifact, folder;
  ExportOptions options;
};

// Where a downloaded artifact lies for as long as it is read.
class Aside {
 public:
  explicit Aside(std::string path) : path_(std::move(path)) {}
  ~Aside() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

absl::StatusOr<ExportReport> exported(const Context& context, const ExportFlags& flags) {
  std::string folder = flags.folder;
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  ESPALIER_RETURN_IF_ERROR(check_export_folder(folder));
  // No artifact's name begins like a path.
  const bool is_path = flags.artifact.starts_with('/') || flags.artifact.starts_with('.');
  if (is_path) return export_artifact(flags.artifact, folder, flags.options);
  // Beside the result: there is room for it there, if there is for that.
  const Aside artifact(aside_of(folder));
  {
    TransferView view(context.quiet);
    ESPALIER_RETURN_IF_ERROR(
        context.client()
            .download_artifact(flags.artifact, artifact.path(), view.callback())
            .status());
  }
  return export_artifact(artifact.path(), folder, flags.options);
}

std::string text_of(const ExportReport& report, const std::string& folder) {
  std::string text = absl::StrCat("format  ", report.format, "\nfolder  ", folder, "\n");
  auto list = [&](const char* what, const std::vector<std::string>& lines) {
    for (const std::string& line : lines) absl::StrAppend(&text, what, line, "\n");
  };
  list("file    ", report.files);
  list("input   ", report.inputs);
  list("output  ", report.outputs);
  list("note    ", report.notes);
  return text;
}

ExitCode run_export(const Context& context, const ExportFlags& flags) {
  const auto report = exported(context, flags);
  if (!report.ok()) return report_error(report.status());
  const Json json = {{"format", report->format},   {"folder", flags.folder},
                     {"files", report->files},     {"inputs", report->inputs},
                     {"outputs", report->outputs}, {"notes", report->notes}};
  print(context.json() ? json.dump(2) + "\n" : text_of(*report, flags.folder));
  return ExitCode::kOk;
}

}  // namespace

void add_artifacts_export(CLI::App& artifacts, Context& context) {
  auto flags = std::make_shared<ExportFlags>();
  auto* command = add_command(artifacts, "export",
                              "Write an artifact as an ONNX file or as a plain transformers folder",
                              "espalier artifacts export first ./first-onnx --format onnx");
  command
      ->add_option("NAME", flags->artifact,
                   "The artifact; or the folder of a downloaded one, as ./first")
      ->required();
  command->add_option("FOLDER", flags->folder, "Where to: a new folder")->required();
  command->add_option("--format", flags->options.format, "onnx or transformers")
      ->check(CLI::IsMember(export_formats()))
      ->capture_default_str();
  command->add_flag("--exits", flags->options.exits,
                    "onnx: an output exit_logits_N for every early exit, N layers from the first");
  command->callback([&context, flags] {
    context.action = [&context, flags] { return run_export(context, *flags); };
  });
}

}  // namespace espalier::cli
