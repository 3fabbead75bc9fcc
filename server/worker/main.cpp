// espalier-worker: leases compression jobs from espalierd and runs them.
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "core/base/build.h"
#include "core/base/status_macros.h"
#include "server/common/admin_server.h"
#include "server/common/command_line.h"
#include "server/common/log.h"
#include "server/common/openmp.h"
#include "server/common/signals.h"
#include "server/worker/artifact_check.h"
#include "server/worker/verify.h"
#include "server/worker/worker.h"

namespace {

using namespace espalier;
using namespace espalier::server;

struct Flags {
  std::string control = "127.0.0.1:7400", admin = "127.0.0.1:7411", scratch, verify;
  double checkpoint_seconds = 60;
  int threads = 0;
  double cache_gigabytes = 20;
  std::vector<std::string> labels;
};

void define(CLI::App& app, Flags& flags) {
  app.add_option("--control", flags.control, "gRPC address of espalierd")->capture_default_str();
  app.add_option("--admin", flags.admin, "Address of /metrics, /livez and /readyz")
      ->capture_default_str();
  auto* scratch = app.add_option("--scratch", flags.scratch, "Folder for jobs and cached blobs");
  app.add_option("--checkpoint-seconds", flags.checkpoint_seconds, "Least time between checkpoints")
      ->check(CLI::Range(0.0, 86400.0))
      ->capture_default_str();
  app.add_option("--cache-gigabytes", flags.cache_gigabytes, "Largest size of the blob cache")
      ->check(CLI::Range(0.0, 1e6))
      ->capture_default_str();
  app.add_option("--threads", flags.threads, "Threads of the computation; 0: all cores")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  app.add_option("--label", flags.labels, "key=value that jobs may ask for; may be repeated")
      ->check([](const std::string& text) {
        const size_t equals = text.find('=');
        const bool good = equals != 0 && equals != std::string::npos;
        return good ? "" : text + " is not key=value";
      });
  auto* verify = app.add_option("--verify", flags.verify, "Check an artifact's folder and end");
  verify->excludes(scratch);
  app.callback([&flags] {
    if (flags.scratch.empty() && flags.verify.empty()) throw CLI::RequiredError("--scratch");
  });
  app.set_version_flag("--version", version());
  app.footer(
      "Example: espalier-worker --control 127.0.0.1:7400 --scratch /var/tmp/espalier-worker");
}

// Of "key=value" each.
std::map<std::string, std::string> labels_of(const std::vector<std::string>& texts) {
  std::map<std::string, std::string> labels;
  for (const auto& text : texts) {
    const size_t equals = text.find('=');
    labels[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return labels;
}

absl::Status run(const Flags& flags) {
  ESPALIER_RETURN_IF_ERROR(block_stop_signals());
  Metrics metrics("worker");
  WorkerOptions options;
  options.control.address = flags.control;
  options.scratch = flags.scratch;
  options.checkpoint_seconds = flags.checkpoint_seconds;
  options.cache_bytes = static_cast<uint64_t>(flags.cache_gigabytes * 1e9);
  options.labels = labels_of(flags.labels);
  options.compute_class = compute_class();
  options.catalogue = build_catalogue();
  options.compress = compress;
  options.verify = [](const std::string& folder, const std::function<bool()>& abandon) {
    return run_child({"/proc/self/exe", "--verify", folder}, abandon);
  };
  ESPALIER_ASSIGN_OR_RETURN(auto worker, Worker::make(std::move(options), metrics));
  ESPALIER_ASSIGN_OR_RETURN(auto admin,
                            AdminServer::start(flags.admin, {[&] { return metrics.text(); },
                                                             [&] { return worker->readiness(); }}));
  spdlog::info("espalier-worker {} started; admin on {}", version(), admin->address());

  std::thread stopper([&] {
    spdlog::info("{}: stopping", wait_for_stop());
    worker->stop();
  });
  absl::Status status = worker->run();
  if (!status.ok()) request_stop();  // so that the stopper ends
  stopper.join();
  return status;
}

int verify(const std::string& folder) {
  absl::Status status = check_artifact(folder);
  if (status.ok()) return 0;
  std::puts(status.ToString().c_str());  // the worker reads the last line
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  CLI::App app("Leases compression jobs from espalierd and runs them.");
  define(app, flags);
  if (const auto code = parse_command_line(app, argc, argv)) return *code;
  set_openmp_environment(flags.threads, argv);
  if (!flags.verify.empty()) return verify(flags.verify);
  setup_logging("worker");
  absl::Status status = run(flags);
  if (status.ok()) {
    spdlog::info("stopped");
    return 0;
  }
  spdlog::error("{}", status.ToString());
  return 1;
}
