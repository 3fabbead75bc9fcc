// A gRPC server in this process on a free port, and a client that waits on a clock of its own.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <vector>

#include "client/cpp/client.h"

namespace espalier::client {

class FakeServer {
 public:
  explicit FakeServer(const std::vector<grpc::Service*>& services) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    for (auto* service : services) builder.RegisterService(service);
    server_ = builder.BuildAndStart();
  }
  ~FakeServer() { server_->Shutdown(std::chrono::system_clock::now()); }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  Client client() const {
    return Client({.address = address(), .sleep = [](absl::Duration) {}});
  }

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace espalier::client
