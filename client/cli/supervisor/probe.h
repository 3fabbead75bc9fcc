// Questions to a port, over plain sockets.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace espalier::cli {

struct HostPort {
  std::string host;  // without brackets
  uint16_t port = 0;
};
// "127.0.0.1:7400", "[::1]:7400".
absl::StatusOr<HostPort> split_address(const std::string& address);

// Where to reach what listens there: a wildcard becomes loopback.
std::string reachable(const std::string& address);

// FAILED_PRECONDITION "port 7400 (espalierd --listen) is in use; choose another with --listen".
// `what` is "espalierd --listen", `flag` is the option of `up`.
absl::Status check_port_free(const std::string& address, const std::string& what,
                             const std::string& flag);

// Whether GET /readyz answers 200 within `timeout`.
bool is_ready(const std::string& address, absl::Duration timeout = absl::Milliseconds(500));

}  // namespace espalier::cli
