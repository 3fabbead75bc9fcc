// The last endpoints that the control plane named, on disk, so that a server boots while it is
// down.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "espalier/v1/endpoint.pb.h"
#include "server/serving/model_repository.h"

namespace espalier::server {

// NOT_FOUND when none was saved; INVALID_ARGUMENT when the file is not one of ours.
absl::StatusOr<v1::WatchEndpointsResponse> load_endpoints(const std::string& path);
absl::Status save_endpoints(const std::string& path, const v1::WatchEndpointsResponse& endpoints);

// "projects/p/endpoints/e" is served as "e".
std::vector<DesiredModel> desired_models(const v1::WatchEndpointsResponse& endpoints);

}  // namespace espalier::server
