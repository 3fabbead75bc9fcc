#include "server/serving/endpoint_store.h"

#include <google/protobuf/util/json_util.h>

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/status_macros.h"

namespace espalier::server {

absl::StatusOr<v1::WatchEndpointsResponse> load_endpoints(const std::string& path) {
  if (!std::filesystem::exists(path)) {
    return absl::NotFoundError(absl::StrCat("no endpoints were saved in ", path));
  }
  ESPALIER_ASSIGN_OR_RETURN(const std::string text, read_file(path));
  v1::WatchEndpointsResponse endpoints;
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;  // a newer server may have written it
  const auto parsed = google::protobuf::util::JsonStringToMessage(text, &endpoints, options);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " holds no endpoints: ", parsed.ToString()));
  }
  return endpoints;
}

absl::Status save_endpoints(const std::string& path, const v1::WatchEndpointsResponse& endpoints) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  std::string text;
  const auto printed = google::protobuf::util::MessageToJsonString(endpoints, &text, options);
  if (!printed.ok()) return absl::InternalError(printed.ToString());
  return write_file(path, text);
}

std::vector<DesiredModel> desired_models(const v1::WatchEndpointsResponse& endpoints) {
  std::vector<DesiredModel> models;
  for (const v1::Endpoint& endpoint : endpoints.endpoints()) {
    DesiredModel model;
    model.name = endpoint.name().substr(endpoint.name().rfind('/') + 1);
    for (const v1::Endpoint::Route& route : endpoint.routes()) {
      model.routes.push_back(
          {route.alias(), route.artifact(), route.weight(), route.manifest_sha256()});
    }
    models.push_back(std::move(model));
  }
  return models;
}

}  // namespace espalier::server
