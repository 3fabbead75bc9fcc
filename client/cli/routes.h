// Routes of an endpoint as flags carry them.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "espalier/v1/endpoint.pb.h"

namespace espalier::cli {

// "canary=first:0.1"; without a weight it is 1.
absl::StatusOr<v1::Endpoint::Route> parse_route(const std::string& text);

}  // namespace espalier::cli
