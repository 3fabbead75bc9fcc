// The REST door of espalier-serve: routes behind an HTTP server, and a thread for what takes long.
#pragma once

#include <memory>

#include "server/common/errands.h"
#include "server/serving/rest/http_server.h"

namespace espalier::server {

class RestServer {
 public:
  // `protocol` and `metrics` must outlive it. UNAVAILABLE when the port is in use.
  static absl::StatusOr<std::unique_ptr<RestServer>> start(const HttpOptions& options,
                                                           Protocol& protocol, Metrics& metrics);

  const std::string& address() const { return http_->address(); }
  // See HttpServer.
  void retire() { http_->retire(); }
  void shutdown(std::chrono::milliseconds grace) { http_->shutdown(grace); }

 private:
  RestServer(Protocol& protocol, Metrics& metrics);

  Errands changes_;  // loads and unloads
  Routes routes_;
  std::unique_ptr<HttpServer> http_;  // goes first: waits for every answer
};

}  // namespace espalier::server
