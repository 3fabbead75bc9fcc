// espalierd: flags, signals, start and end.
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/build.h"
#include "core/base/files.h"
#include "core/base/status_macros.h"
#include "server/common/command_line.h"
#include "server/common/log.h"
#include "server/common/signals.h"
#include "server/control/control_plane.h"

namespace {

using namespace espalier;          // NOLINT
using namespace espalier::server;  // NOLINT

constexpr std::chrono::seconds kGrace{10};

// ../share/espalier/catalogue.json beside the folder of this binary.
std::string default_catalogue() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return (self.parent_path().parent_path() / "share/espalier/catalogue.json").string();
}

absl::StatusOr<Catalogue> read_catalogue(const std::string& path) {
  ESPALIER_ASSIGN_OR_RETURN(const Json json, read_json(path));
  return Catalogue::read(json);
}

absl::Status run(const ControlOptions& options, const std::string& catalogue_path) {
  auto catalogue = read_catalogue(catalogue_path);
  if (!catalogue.ok()) {
    return absl::Status(
        catalogue.status().code(),
        absl::StrCat("cannot read the catalogue of methods: ", catalogue.status().message(),
                     "; name another one with --catalogue"));
  }
  const SystemClock clock;
  SpawnInspector inspector;
  ESPALIER_ASSIGN_OR_RETURN(auto plane,
                            ControlPlane::start(options, *std::move(catalogue), clock, inspector));
  spdlog::info("espalierd {} listens on {}, admin on {}, data in {}", version(), plane->address(),
               plane->admin_address(), options.data);
  const std::string why = wait_for_stop();
  spdlog::info("stopping: {}", why);
  plane->drain(kGrace);
  spdlog::info("stopped");
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  // Before anything else: the child that looks at uploads takes no flags and starts no thread.
  if (argc >= 2 && std::string(argv[1]) == "--inspect") {
    return inspect_main(std::vector<std::string>(argv + 2, argv + argc));
  }
  ControlOptions options;
  std::string catalogue = default_catalogue();
  double lease_seconds = 30;
  CLI::App app{
      "espalierd: the control plane of Espalier. Keeps models, data sets and jobs; workers lease "
      "jobs "
      "from it."};
  app.set_version_flag("--version", version());
  app.add_option("--listen", options.listen, "Address of the gRPC API, host:port")
      ->capture_default_str();
  app.add_option("--admin", options.admin, "Address of /metrics, /livez and /readyz")
      ->capture_default_str();
  app.add_option("--data", options.data, "Folder for the database and all content")->required();
  app.add_option("--catalogue", catalogue, "Catalogue of methods that the build wrote")
      ->capture_default_str();
  app.add_option("--lease-seconds", lease_seconds,
                 "A worker that is silent for so long loses its job")
      ->check(CLI::Range(0.5, 3600.0))
      ->capture_default_str();
  app.footer("Example:\n  espalierd --data ~/.local/share/espalier --listen 127.0.0.1:7400");
  if (const auto code = parse_command_line(app, argc, argv)) return *code;
  options.rules.lease_ms = static_cast<int64_t>(lease_seconds * 1000);

  setup_logging("espalierd");
  absl::Status status = block_stop_signals();
  if (status.ok()) status = run(options, catalogue);
  if (status.ok()) return 0;
  std::string message(status.message());
  if (absl::StrContains(message, "cannot listen on")) {
    absl::StrAppend(&message, "; is another espalierd running?");
  }
  std::cerr << "espalierd: " << message << std::endl;
  return 1;
}
