// absl::Status on the wire and back.
//
// A status carries up to three things beside its code and message: a reason for programs (a stable
// word in UPPER_SNAKE_CASE, ErrorInfo.reason) and the fields of the request that are wrong
// (BadRequest). They travel as payloads of absl::Status and as google.rpc details in gRPC, so
// standard clients decode them.
#pragma once

#include <grpcpp/support/status.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace espalier::server {

// `status` with a reason and, when `field` is given, a violation of that field whose description is
// the status's message. A reason that is there already stays: the place that failed knows best. OK
// stays OK.
absl::Status with_reason(absl::Status status, std::string_view reason, std::string_view field = {});
// Adds one more violated field; several may be added.
absl::Status with_field(absl::Status status, std::string_view field, std::string_view description);

// "" when there is none.
std::string reason_of(const absl::Status& status);
struct FieldViolation {
  std::string field, description;
};
std::vector<FieldViolation> fields_of(const absl::Status& status);

// The message is cut to 1024 bytes (at a character) and the details stay below 7 KB: gRPC drops
// trailers above its limit of 8 KB, and with them the whole status.
grpc::Status to_grpc(const absl::Status& status);
absl::Status from_grpc(const grpc::Status& status);

// "NOT_FOUND", as metrics and logs spell it.
std::string code_name(absl::StatusCode code);

}  // namespace espalier::server
