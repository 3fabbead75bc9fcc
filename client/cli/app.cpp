#include "client/cli/app.h"

#include "absl/strings/str_cat.h"
#include "client/cli/usage.h"
#include "core/base/build.h"

namespace espalier::cli {

std::unique_ptr<CLI::App> make_app(Context& context) {
  auto app = std::make_unique<CLI::App>(
      "Espalier makes encoder Transformers small and fast, proves what that cost, and serves them.",
      "espalier");
  app->fallthrough();  // global options may stand behind the command, too
  app->require_subcommand(1);
  app->failure_message(usage_text);
  app->set_version_flag("--version", version(), "Print the version and exit");
  app->get_formatter()->column_width(34);
  app->add_option("--address", context.address, "Address of espalierd")
      ->envname("ESPALIER_ADDRESS")
      ->capture_default_str();
  app->add_option("--inference-address", context.inference_address,
                  "Address of the inference server")
      ->envname("ESPALIER_INFERENCE_ADDRESS")
      ->capture_default_str();
  app->add_option("--project", context.project, "Project that names belong to")
      ->capture_default_str();
  app->add_option("--output", context.output, "text for people, json (one document) for programs")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
  app->add_flag("--quiet,-q", context.quiet, "No progress, only results and errors");
  add_up(*app, context);
  add_down(*app, context);
  add_status(*app, context);
  add_models(*app, context);
  add_datasets(*app, context);
  add_methods(*app, context);
  add_jobs(*app, context);
  add_artifacts(*app, context);
  add_endpoints(*app, context);
  add_predict(*app, context);
  app->footer(absl::StrCat("Exit codes:\n", exit_code_help(), "\nA first job:\n",
                           "  espalier up --detach\n",
                           "  espalier models upload minilm path/to/minilm\n",
                           "  espalier datasets upload reviews --train train.tsv\n",
                           "  espalier jobs submit --model minilm --dataset reviews --sparsity 0.6 "
                           "--name first --watch\n",
                           "  espalier endpoints set reviews first\n",
                           "  espalier predict reviews \"what a lovely film\"\n"));
  return app;
}

CLI::App* add_command(CLI::App& parent, const std::string& name, const std::string& description,
                      const std::string& example) {
  auto* command = parent.add_subcommand(name, description);
  command->footer("Example:\n  " + example);
  return command;
}

}  // namespace espalier::cli
