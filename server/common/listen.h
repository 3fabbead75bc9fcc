// Binding of our own HTTP servers; gRPC binds for itself (grpc_server.h).
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <string>

#include "absl/status/statusor.h"

namespace espalier::server {

// Makes `acceptor` listen on host:port (see address.h; port 0 takes a free one) and gives the bound
// address with the real port. A port in use or not allowed is UNAVAILABLE and names `flag`, which
// chooses another.
absl::StatusOr<std::string> listen_on(boost::asio::ip::tcp::acceptor& acceptor,
                                      const std::string& wanted, const std::string& flag);

}  // namespace espalier::server
