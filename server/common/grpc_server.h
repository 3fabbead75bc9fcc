// A gRPC server the way every Espalier daemon runs one.
#pragma once

#include <grpcpp/impl/service_type.h>
#include <grpcpp/server.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace espalier::server {

struct GrpcServerOptions {
  std::string listen;                    // host:port; port 0 takes a free one
  std::vector<grpc::Service*> services;  // sync, async or callback; must outlive the server
  int max_message_bytes = 4 << 20;       // received; sending is not limited
  int max_threads = 0;                   // of sync handlers; 0: gRPC's default (no limit)
};

class GrpcServer {
 public:
  // Listens at once, but its health service says NOT_SERVING until set_ready(true). SO_REUSEPORT is
  // off: a second process on the same port is refused with UNAVAILABLE ("cannot listen on A: ...")
  // instead of silently sharing the calls.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> start(const GrpcServerOptions& options);
  // shutdown() with no grace.
  ~GrpcServer();

  int port() const { return port_; }
  // The bound address, with the real port.
  const std::string& address() const { return address_; }

  // What grpc.health.v1.Health answers for "".
  void set_ready(bool ready);
  // Refuses new calls, waits for running ones until `grace` is over, then cancels them. Idempotent.
  // Never call it from a signal handler or an RPC handler.
  void shutdown(std::chrono::milliseconds grace);

 private:
  GrpcServer() = default;
  std::unique_ptr<grpc::Server> server_;
  std::string address_;
  int port_ = 0;
};

}  // namespace espalier::server
