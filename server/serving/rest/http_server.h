// HTTP/1.1 over Boost.Beast: a few threads for all connections, none of which has one of its own.
//
// A connection reads one request, waits for its answer, writes it and reads on; what is pipelined
// meanwhile waits in the kernel, so a client cannot queue up more than one request a connection.
// A client that closes its connection, or its half of it, cancels the request that it waits for
// (unless another request is pipelined behind it: then it is noticed when the answer is written).
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/serving/rest/routes.h"

namespace espalier::server {

struct HttpOptions {
  std::string listen;               // host:port; port 0 takes a free one
  size_t max_body_bytes = 4 << 20;  // above it: 413
  size_t max_header_bytes = 16 << 10;
  int threads = 2;
  int max_connections = 1024;  // further ones are closed at once
  // Until the next request's header is there; until its body is; until an answer is written.
  std::chrono::milliseconds idle{75'000}, body{60'000}, write{60'000};
};

class HttpServer {
 public:
  // As Routes::answer.
  using Handler = std::function<std::shared_ptr<Protocol::Call>(RestRequest, Routes::Answered)>;

  // UNAVAILABLE when the port is in use, and says that --http chooses another.
  static absl::StatusOr<std::unique_ptr<HttpServer>> start(const HttpOptions& options,
                                                           Handler handler);
  ~HttpServer();  // shutdown() with no grace

  // The bound address, with the real port.
  const std::string& address() const;

  // From now on an answer says that it is the last of its connection, so that clients move on
  // before the server goes; whoever comes anew is still served.
  void retire();

  // Accepts no more, closes idle connections, answers what has arrived and closes those connections
  // then. After `grace` it closes the rest and cancels their calls; returns when every call has
  // been answered. Idempotent.
  void shutdown(std::chrono::milliseconds grace);

 private:
  struct Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace espalier::server
