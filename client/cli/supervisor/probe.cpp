#include "client/cli/supervisor/probe.h"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cli/exit_code.h"
#include "core/base/status_macros.h"

namespace espalier::cli {
namespace {

class Socket {
 public:
  explicit Socket(const addrinfo& info)
      : fd_(socket(info.ai_family, info.ai_socktype | SOCK_CLOEXEC, info.ai_protocol)) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

absl::StatusOr<Addresses> resolve(const std::string& address) {
  ESPALIER_ASSIGN_OR_RETURN(auto parts, split_address(address));
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const int error =
      getaddrinfo(parts.host.c_str(), std::to_string(parts.port).c_str(), &hints, &found);
  if (error != 0) {
    return usage_error(absl::StrCat("cannot resolve ", address, ": ", gai_strerror(error)));
  }
  return Addresses(found, &freeaddrinfo);
}

}  // namespace

absl::StatusOr<HostPort> split_address(const std::string& address) {
  const auto colon = address.rfind(':');
  HostPort result;
  int port = 0;
  if (colon == std::string::npos || colon == 0 ||
      !absl::SimpleAtoi(address.substr(colon + 1), &port) || port < 0 || port > 65535) {
    return usage_error(absl::StrCat("\"", address, "\" is no address; write host:port"));
  }
  result.host = address.substr(0, colon);
  result.port = static_cast<uint16_t>(port);
  if (absl::StartsWith(result.host, "[") && absl::EndsWith(result.host, "]")) {
    result.host = result.host.substr(1, result.host.size() - 2);
  }
  return result;
}

std::string reachable(const std::string& address) {
  auto parts = split_address(address);
  if (!parts.ok()) return address;
  if (parts->host == "0.0.0.0") return absl::StrCat("127.0.0.1:", parts->port);
  if (parts->host == "::") return absl::StrCat("[::1]:", parts->port);
  return address;
}

absl::Status check_port_free(const std::string& address, const std::string& what,
                             const std::string& flag) {
  ESPALIER_ASSIGN_OR_RETURN(auto addresses, resolve(address));
  Socket socket(*addresses);
  const int yes = 1;  // a port in TIME_WAIT is free for us, as it is for the daemons
  setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  // Listening, too: on Linux two sockets with SO_REUSEADDR may be bound to one port, but not
  // listen.
  if (bind(socket.fd(), addresses->ai_addr, addresses->ai_addrlen) == 0 &&
      listen(socket.fd(), 1) == 0) {
    return absl::OkStatus();
  }
  ESPALIER_ASSIGN_OR_RETURN(auto parts, split_address(address));
  if (errno == EADDRINUSE) {
    return usage_error(
        absl::StrCat("port ", parts.port, " (", what, ") is in use; choose another with ", flag,
                     ", or stop an Espalier that runs already: 'espalier down --data FOLDER', or "
                     "'deploy/quickstart --stop' where the quickstart started it"));
  }
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot listen on ", address, " (", what,
                                                 "); choose another with ", flag));
}

bool is_ready(const std::string& address, absl::Duration timeout) {
  const std::string target = reachable(address);
  auto addresses = resolve(target);
  if (!addresses.ok()) return false;
  Socket socket(**addresses);
  const timeval limit = absl::ToTimeval(timeout);
  setsockopt(socket.fd(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(socket.fd(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);  // bounds connect, too
  if (connect(socket.fd(), (*addresses)->ai_addr, (*addresses)->ai_addrlen) != 0) return false;
  const std::string request =
      absl::StrCat("GET /readyz HTTP/1.1\r\nHost: ", target, "\r\nConnection: close\r\n\r\n");
  if (::send(socket.fd(), request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    return false;
  }
  std::string head;  // "HTTP/1.1 200 OK"; the first 12 bytes decide
  char buffer[64];
  while (head.size() < 12) {
    const auto got = recv(socket.fd(), buffer, sizeof buffer, 0);
    if (got <= 0) return false;
    head.append(buffer, static_cast<size_t>(got));
  }
  return absl::StartsWith(head, "HTTP/1.") && head.substr(9, 3) == "200";
}

}  // namespace espalier::cli
