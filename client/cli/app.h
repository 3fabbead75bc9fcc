// The command line as a whole: global options, and how a command runs.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "CLI/CLI.hpp"
#include "client/cli/exit_code.h"
#include "client/cpp/client.h"
#include "client/cpp/inference_client.h"

namespace espalier::cli {

// What every command sees. Results go to stdout; progress and errors go to stderr.
struct Context {
  std::string address = "127.0.0.1:7400";
  std::string inference_address = "127.0.0.1:7420";
  std::string project = "default";
  std::string output = "text";
  bool quiet = false;
  // Set by the command that was given.
  std::function<ExitCode()> action;

  bool json() const { return output == "json"; }
  client::Client client() const { return client::Client({.address = address, .project = project}); }
  client::InferenceClient inference() const { return client::InferenceClient(inference_address); }
};

std::unique_ptr<CLI::App> make_app(Context& context);

// Adds a command with an example, which ends its help.
CLI::App* add_command(CLI::App& parent, const std::string& name, const std::string& description,
                      const std::string& example);

void add_up(CLI::App& app, Context& context);
void add_down(CLI::App& app, Context& context);
void add_status(CLI::App& app, Context& context);
void add_models(CLI::App& app, Context& context);
void add_datasets(CLI::App& app, Context& context);
void add_methods(CLI::App& app, Context& context);
void add_jobs(CLI::App& app, Context& context);
void add_jobs_submit(CLI::App& jobs, Context& context);
void add_artifacts(CLI::App& app, Context& context);
void add_artifacts_export(CLI::App& artifacts, Context& context);
void add_endpoints(CLI::App& app, Context& context);
void add_predict(CLI::App& app, Context& context);

}  // namespace espalier::cli
