#include "server/common/listen.h"

#include "core/base/status_macros.h"
#include "server/common/address.h"

namespace espalier::server {

absl::StatusOr<std::string> listen_on(boost::asio::ip::tcp::acceptor& acceptor,
                                      const std::string& wanted, const std::string& flag) {
  using boost::asio::ip::tcp;
  ESPALIER_ASSIGN_OR_RETURN(HostPort host_port, parse_address(wanted));
  host_port = bind_address(host_port);
  boost::system::error_code error;
  tcp::resolver resolver(acceptor.get_executor());
  const auto found = resolver.resolve(host_port.host, std::to_string(host_port.port),
                                      tcp::resolver::passive, error);
  if (error) return cannot_listen(wanted, error.message(), flag);
  const tcp::endpoint endpoint = found.begin()->endpoint();
  acceptor.open(endpoint.protocol(), error);
  // A port in TIME_WAIT is free; one that somebody listens on is refused all the same.
  if (!error) acceptor.set_option(boost::asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(boost::asio::socket_base::max_listen_connections, error);
  if (error) return cannot_listen(wanted, error.message(), flag);
  host_port.port = acceptor.local_endpoint().port();
  return host_port.text();
}

}  // namespace espalier::server
