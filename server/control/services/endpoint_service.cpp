#include <cmath>
#include <set>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/common/serve.h"
#include "server/control/convert.h"
#include "server/control/services/published_services.h"
#include "server/control/services/user_fields.h"

namespace espalier::server {

using namespace espalier::v1;  // NOLINT: messages only

namespace {

constexpr int kMostRoutes = 16;

absl::Status bad(const std::string& message, const std::string& field) {
  return with_reason(absl::InvalidArgumentError(message), "BAD_ENDPOINT", field);
}

// Everything but the existence of its artifacts.
absl::Status check(const Endpoint& endpoint) {
  auto key = parse_name(endpoint.name(), "endpoints");
  if (!key.ok()) return with_reason(key.status(), "BAD_NAME", "endpoint.name");
  if (endpoint.routes().empty() || endpoint.routes_size() > kMostRoutes) {
    return bad(absl::StrCat("the endpoint has ", endpoint.routes_size(), " routes; 1 to ",
                            kMostRoutes, " are allowed"),
               "endpoint.routes");
  }
  std::set<std::string> aliases;
  double sum = 0;
  for (const auto& route : endpoint.routes()) {
    if (auto status = check_id(route.alias(), "alias"); !status.ok()) {
      return with_reason(status, "BAD_NAME", "endpoint.routes.alias");
    }
    if (!aliases.insert(route.alias()).second) {
      return bad(absl::StrCat("alias \"", route.alias(), "\" stands there twice"),
                 "endpoint.routes.alias");
    }
    if (!std::isfinite(route.weight()) || route.weight() < 0) {
      return bad(absl::StrCat("the weight of \"", route.alias(), "\" is ", route.weight(),
                              "; it must be finite and not negative"),
                 "endpoint.routes.weight");
    }
    sum += route.weight();
    auto artifact = parse_name(route.artifact(), "artifacts");
    if (!artifact.ok())
      return with_reason(artifact.status(), "BAD_NAME", "endpoint.routes.artifact");
    if (artifact->project != key->project) {
      return bad(absl::StrCat(route.artifact(), " is not in projects/", key->project),
                 "endpoint.routes.artifact");
    }
  }
  if (sum > 0 && std::isfinite(sum)) return absl::OkStatus();
  return bad(absl::StrCat("the weights sum to ", sum, "; the sum must be above 0"),
             "endpoint.routes.weight");
}

}  // namespace

grpc::Status EndpointService::SetEndpoint(grpc::ServerContext* context,
                                          const SetEndpointRequest* request,
                                          SetEndpointResponse* response) {
  return serve("SetEndpoint", desk_.metrics, context, [&]() -> absl::Status {
    ESPALIER_RETURN_IF_ERROR(check(request->endpoint()));
    ESPALIER_ASSIGN_OR_RETURN(
        *response->mutable_endpoint(),
        desk_.store.set_endpoint(request->endpoint(), request->validate_only()));
    if (!request->validate_only()) desk_.notifier.notify();
    return absl::OkStatus();
  });
}

grpc::Status EndpointService::GetEndpoint(grpc::ServerContext* context,
                                          const GetEndpointRequest* request,
                                          GetEndpointResponse* response) {
  return serve("GetEndpoint", desk_.metrics, context, [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(const Key key, parse_name(request->name(), "endpoints"));
    ESPALIER_ASSIGN_OR_RETURN(*response->mutable_endpoint(), desk_.store.endpoint(key));
    return absl::OkStatus();
  });
}

grpc::Status EndpointService::ListEndpoints(grpc::ServerContext* context,
                                            const ListEndpointsRequest* request,
                                            ListEndpointsResponse* response) {
  return serve("ListEndpoints", desk_.metrics, context, [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(const PageQuery query, page_query(*request, "endpoints"));
    ESPALIER_ASSIGN_OR_RETURN(auto page, desk_.store.endpoints(query));
    for (Endpoint& endpoint : page.rows) *response->add_endpoints() = std::move(endpoint);
    response->set_next_page_token(next_token(page.next, *request, "endpoints"));
    return absl::OkStatus();
  });
}

grpc::Status EndpointService::DeleteEndpoint(grpc::ServerContext* context,
                                             const DeleteEndpointRequest* request,
                                             DeleteEndpointResponse*) {
  return serve("DeleteEndpoint", desk_.metrics, context, [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(const Key key, parse_name(request->name(), "endpoints"));
    ESPALIER_RETURN_IF_ERROR(desk_.store.delete_endpoint(key));
    desk_.notifier.notify();
    return absl::OkStatus();
  });
}

grpc::Status EndpointService::WatchEndpoints(grpc::ServerContext* context,
                                             const WatchEndpointsRequest* request,
                                             grpc::ServerWriter<WatchEndpointsResponse>* writer) {
  return serve("WatchEndpoints", desk_.metrics, context, [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(const std::string project, parse_parent(request->parent()));
    return watch(context, project, *writer);
  });
}

absl::Status EndpointService::watch(grpc::ServerContext* context, const std::string& project,
                                    grpc::ServerWriter<WatchEndpointsResponse>& writer) {
  auto slot = watchers_.take();
  if (!slot)
    return absl::ResourceExhaustedError(
        "too many watches run; poll with ListEndpoints, or try again later");
  std::string
      sent;  // what the client knows; the first answer is sent even when there are no endpoints
  while (!context->IsCancelled()) {
    const uint64_t seen = desk_.notifier.version();
    ESPALIER_ASSIGN_OR_RETURN(auto page, desk_.store.endpoints({project, kMostEndpoints, 0}));
    WatchEndpointsResponse response;
    for (Endpoint& endpoint : page.rows) *response.add_endpoints() = std::move(endpoint);
    if (const std::string state = fingerprint(response); state != sent) {
      if (!writer.Write(response)) break;
      sent = state;
    }
    if (desk_.notifier.is_stopped()) {
      return with_reason(absl::UnavailableError("espalierd is stopping; watch again"), "STOPPING");
    }
    desk_.notifier.wait(seen, kLook);
  }
  return absl::CancelledError("the client has gone");
}

}  // namespace espalier::server
