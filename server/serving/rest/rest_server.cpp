#include "server/serving/rest/rest_server.h"

#include <utility>

#include "core/base/status_macros.h"

namespace espalier::server {

RestServer::RestServer(Protocol& protocol, Metrics& metrics)
    : routes_(protocol, metrics, [this](std::function<void()> function) {
        return changes_.run(std::move(function));
      }) {}

absl::StatusOr<std::unique_ptr<RestServer>> RestServer::start(const HttpOptions& options,
                                                              Protocol& protocol,
                                                              Metrics& metrics) {
  std::unique_ptr<RestServer> server(new RestServer(protocol, metrics));
  const Routes& routes = server->routes_;
  ESPALIER_ASSIGN_OR_RETURN(
      server->http_,
      HttpServer::start(options, [&routes](RestRequest request, Routes::Answered answered) {
        return routes.answer(std::move(request), std::move(answered));
      }));
  return server;
}

}  // namespace espalier::server
