// espalier-serve: see serve_process.h for what it does; here it gets its engine and its signals.
#include <spdlog/spdlog.h>

#include <string>

#include "core/runtime/engine.h"
#include "server/common/log.h"
#include "server/common/openmp.h"
#include "server/common/signals.h"
#include "server/serving/flags.h"
#include "server/serving/serve_process.h"

int main(int argc, char** argv) {
  using namespace espalier;
  using namespace espalier::server;

  const ServeFlags flags = parse_flags_or_exit(argc, argv);
  set_openmp_environment(0, argv);  // the engine sets its own number of threads
  setup_logging("serve");
  if (const absl::Status status = block_stop_signals(); !status.ok()) {
    spdlog::error("{}", std::string(status.message()));
    return 1;
  }
  const auto process = ServeProcess::start(flags, [&flags](const std::string& folder) {
    return runtime::Engine::load(folder, {.threads = flags.threads});
  });
  if (!process.ok()) {
    spdlog::error("{}", std::string(process.status().message()));
    return 1;
  }
  spdlog::info("stopping: {}", wait_for_stop());
  (*process)->stop();
  return 0;
}
