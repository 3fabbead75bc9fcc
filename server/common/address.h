// "host:port" as flags carry it: "127.0.0.1:7400", "[::1]:7400", "localhost:0", "0.0.0.0:7400".
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace espalier::server {

struct HostPort {
  std::string host;  // without brackets
  uint16_t port = 0;
  // With brackets around an IPv6 host.
  std::string text() const;
};

// INVALID_ARGUMENT says what is missing.
absl::StatusOr<HostPort> parse_address(const std::string& address);

// What to bind for it: "localhost" is 127.0.0.1 alone. Bound as a name it would be two sockets, and
// a second process could take the one that the first left.
HostPort bind_address(HostPort address);

// UNAVAILABLE "cannot listen on A: address in use or not allowed (DETAIL); choose another with
// FLAG".
absl::Status cannot_listen(const std::string& address, const std::string& detail,
                           const std::string& flag);

}  // namespace espalier::server
