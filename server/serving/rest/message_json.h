// The protocol's messages as REST shows them: fields by their names in the .proto, numbers as
// numbers. (Protobuf's own JSON writes 64-bit integers as strings, which no client of the protocol
// reads.)
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "inference/grpc_service.pb.h"

namespace espalier::server {

// Every field, also one that holds its default, but for messages and choices that are not set.
nlohmann::json message_json(const google::protobuf::Message& message);

nlohmann::json parameters_json(
    const google::protobuf::Map<std::string, inference::InferParameter>& parameters);

// JSON text; bytes that are no UTF-8 become U+FFFD.
std::string dump(const nlohmann::json& json);

// INVALID_ARGUMENT says where the text stops being JSON, or that it is no object.
absl::StatusOr<nlohmann::json> parse_object(std::string_view text);

}  // namespace espalier::server
