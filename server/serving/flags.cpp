#include "server/serving/flags.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <iostream>
#include <set>

#include "absl/strings/str_cat.h"
#include "core/base/build.h"
#include "core/base/status_macros.h"
#include "server/common/command_line.h"

namespace espalier::server {
namespace {

absl::Status check(ServeFlags& flags, const std::vector<std::string>& models,
                   const std::vector<std::string>& policies) {
  std::set<std::string> names;
  for (const std::string& text : models) {
    ESPALIER_ASSIGN_OR_RETURN(auto model, parse_model(text));
    if (!names.insert(model.first).second) {
      return absl::InvalidArgumentError(absl::StrCat("--model ", model.first, " is given twice"));
    }
    flags.library.models.push_back(std::move(model));
  }
  for (const std::string& policy : policies) {
    const absl::Status added = add_version_policy(policy, &flags.library.policies);
    if (!added.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("--version-policy ", added.message()));
    }
  }
  const bool has_folders = !flags.library.models.empty() || !flags.library.repository.empty();
  if (flags.managed() == has_folders) {
    return absl::InvalidArgumentError(
        "give either --model NAME=FOLDER or --repository FOLDER (static), or --control ADDRESS "
        "with --cache FOLDER");
  }
  if (flags.managed() && !policies.empty()) {
    return absl::InvalidArgumentError(
        "--version-policy is for --model and --repository; with --control the endpoints say it");
  }
  if (flags.managed() && flags.cache.empty()) {
    return absl::InvalidArgumentError("--control needs --cache FOLDER, where artifacts are kept");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::pair<std::string, std::string>> parse_model(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--model \"", text, "\" is not NAME=FOLDER, e.g. reviews=/models/reviews"));
  }
  return std::pair(text.substr(0, equals), text.substr(equals + 1));
}

ServeFlags parse_flags_or_exit(int argc, char** argv) {
  ServeFlags flags;
  std::vector<std::string> models, policies;
  double drain_seconds = 2, grace_seconds = 30;
  runtime::BatcherOptions& batcher = flags.batcher;
  int64_t linger_us = batcher.limits.max_linger / std::chrono::microseconds(1);
  int64_t wait_ms = batcher.limits.max_wait / std::chrono::milliseconds(1);

  CLI::App app("Serves published artifacts by the Open Inference Protocol (gRPC and REST).");
  app.set_version_flag("--version", version());
  app.add_option("--listen", flags.listen, "gRPC address")->capture_default_str();
  app.add_option("--http", flags.http, "REST address (/v2); empty: none")->capture_default_str();
  app.add_option("--admin", flags.admin, "HTTP address of /metrics, /livez, /readyz")
      ->capture_default_str();
  app.add_option("--model", models,
                 "Serve an artifact's folder, or one of its versions, under a name: NAME=FOLDER");
  app.add_option("--repository", flags.library.repository,
                 "Serve the models of a folder: NAME/ or NAME/VERSION/");
  app.add_option(
      "--version-policy", policies,
      "Versions to serve: latest (default), latest:N, all or specific:A,B; of one model as "
      "MODEL=POLICY");
  app.add_option("--control", flags.control, "Serve what the endpoints of this espalierd name");
  app.add_option("--project", flags.project, "Project of the endpoints")->capture_default_str();
  app.add_option("--cache", flags.cache, "Folder for downloaded artifacts");
  app.add_option("--threads", flags.threads, "Threads of an engine; 0: all cores")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--parallel-models", flags.parallel_models,
                 "Models that compute at a time, each with --threads; the others take turns")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--max-batch-rows", batcher.limits.rows, "Most rows of a batch")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--max-batch-tokens", batcher.limits.tokens, "Most tokens of a batch")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--max-queue-rows", batcher.max_queue_rows, "Most rows that wait")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--max-wait-ms", wait_ms,
                 "Longest time a request may expect to wait; who would wait longer is refused")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--max-linger-us", linger_us, "Longest wait of a busy engine for a fuller batch")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--drain-seconds", drain_seconds, "Time to serve on after readiness is off")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--grace-seconds", grace_seconds, "Time for requests in flight at the end")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.footer(
      "Examples:\n"
      "  espalier-serve --model reviews=./reviews\n"
      "  espalier-serve --repository ./models --version-policy latest:2\n"
      "  espalier-serve --control 127.0.0.1:7400 --cache /var/tmp/espalier-serve");
  if (const auto code = parse_command_line(app, argc, argv)) std::exit(*code);
  if (const absl::Status status = check(flags, models, policies); !status.ok()) {
    std::cerr << "espalier-serve: " << std::string(status.message()) << "\n";
    std::exit(kWrongUsage);
  }
  const auto milliseconds = [](double seconds) {
    return std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
  };
  flags.drain_wait = milliseconds(drain_seconds);
  flags.grace = milliseconds(grace_seconds);
  batcher.limits.max_linger = std::chrono::microseconds(linger_us);
  batcher.limits.max_wait = std::chrono::milliseconds(wait_ms);
  return flags;
}

}  // namespace espalier::server
