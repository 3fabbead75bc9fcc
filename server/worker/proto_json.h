// Between protobuf messages and Json, with the field names of the proto.
#pragma once

#include <google/protobuf/message.h>

#include "absl/status/statusor.h"
#include "core/base/options.h"

namespace espalier::server {

absl::StatusOr<Json> to_json(const google::protobuf::Message& message);
absl::Status from_json(const Json& json, google::protobuf::Message& message);

}  // namespace espalier::server
