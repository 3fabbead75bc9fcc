#include "server/common/address.h"

#include <charconv>

#include "absl/strings/str_cat.h"

namespace espalier::server {

std::string HostPort::text() const {
  bool v6 = host.find(':') != std::string::npos;
  return v6 ? absl::StrCat("[", host, "]:", port) : absl::StrCat(host, ":", port);
}

absl::StatusOr<HostPort> parse_address(const std::string& address) {
  auto bad = [&](const char* what) {
    return absl::InvalidArgumentError(
        absl::StrCat("address \"", address, "\" ", what,
                     "; write host:port, for example 127.0.0.1:7400 or [::1]:7400"));
  };
  size_t colon = address.rfind(':');
  if (colon == std::string::npos) return bad("has no port");
  HostPort result;
  result.host = address.substr(0, colon);
  if (result.host.size() >= 2 && result.host.front() == '[' && result.host.back() == ']') {
    result.host = result.host.substr(1, result.host.size() - 2);
  } else if (result.host.find(':') != std::string::npos) {
    return bad("needs brackets around its IPv6 host");
  }
  if (result.host.empty()) return bad("has no host");
  const char* begin = address.data() + colon + 1;
  const char* end = address.data() + address.size();
  auto [rest, error] = std::from_chars(begin, end, result.port);
  if (error != std::errc() || rest != end)
    return bad("has a port that is no number from 0 to 65535");
  return result;
}

HostPort bind_address(HostPort address) {
  if (address.host == "localhost") address.host = "127.0.0.1";
  return address;
}

absl::Status cannot_listen(const std::string& address, const std::string& detail,
                           const std::string& flag) {
  return absl::UnavailableError(absl::StrCat(
      "cannot listen on ", address, ": address in use or not allowed",
      detail.empty() ? "" : absl::StrCat(" (", detail, ")"), "; choose another with ", flag));
}

}  // namespace espalier::server
