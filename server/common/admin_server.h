// The admin HTTP port of a process: GET or HEAD of /metrics, /livez and /readyz; everything else is
// 404 or 405. Plaintext, because probes cannot do mTLS. All connections share one thread
// asynchronously, so idle keep-alive clients cost nothing; headers above 8 KB and connections idle
// for 30 s are closed.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace espalier::server {

struct Readiness {
  bool ready = false;
  std::string reason;  // one line for people; sent as the body
};

class AdminServer {
 public:
  struct Pages {
    std::function<std::string()>
        metrics;  // Prometheus text, usually [&] { return metrics.text(); }
    std::function<Readiness()> readiness;  // called on the server's thread; must not block
  };

  // `address` is host:port (see address.h); port 0 takes a free one. A port in use or not allowed
  // is UNAVAILABLE and says which flag chooses another.
  static absl::StatusOr<std::unique_ptr<AdminServer>> start(const std::string& address,
                                                            Pages pages);
  ~AdminServer();

  // The bound address, with the real port.
  const std::string& address() const;

 private:
  struct Impl;
  explicit AdminServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace espalier::server
