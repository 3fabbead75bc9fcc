// Command line of espalier-serve.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/runtime/batcher.h"
#include "server/serving/model_library.h"

namespace espalier::server {

struct ServeFlags {
  std::string listen = "127.0.0.1:7420", admin = "127.0.0.1:7421";
  std::string http = "127.0.0.1:7422";  // empty: no REST
  // Managed: follow the endpoints of a project.
  std::string control, project = "default", cache;
  LibraryOptions library;   // static: what lies in folders of this machine
  int threads = 0;          // of an engine that computes; 0: all cores
  int parallel_models = 1;  // that compute at a time
  runtime::BatcherOptions batcher;
  std::chrono::milliseconds drain_wait{2000};  // still serving, so that load balancers notice
  std::chrono::milliseconds grace{30'000};     // for requests in flight

  bool managed() const { return !control.empty(); }
};

// Exits the process for --help and for wrong usage (code 2, with what is wrong on stderr).
ServeFlags parse_flags_or_exit(int argc, char** argv);

// "name=path". INVALID_ARGUMENT says what is missing.
absl::StatusOr<std::pair<std::string, std::string>> parse_model(const std::string& text);

}  // namespace espalier::server
