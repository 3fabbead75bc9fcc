// The one place where gRPC's errors become absl's.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace grpc {
class Status;
}

namespace espalier::client {

// Whom we talk to, for the message of a connection that fails.
struct Peer {
  std::string name;     // "espalierd"
  std::string address;  // "127.0.0.1:7400"
  std::string advice;   // "start it with 'espalier up'"
};

// Same code and message; the details of the `grpc-status-details-bin` trailer become payloads under
// their type URLs. UNAVAILABLE without details comes from no server of ours: it reads "cannot reach
// NAME at ADDRESS: ...; ADVICE".
absl::Status to_status(const grpc::Status& status, const Peer& peer);

struct FieldViolation {
  std::string field;  // "job.recipe.target.sparsity"
  std::string description;
};
// What google.rpc.BadRequest among the payloads says; empty without one.
std::vector<FieldViolation> field_violations(const absl::Status& status);
// The reason of google.rpc.ErrorInfo ("UNKNOWN_METHOD"); empty without one.
std::string error_reason(const absl::Status& status);

// Whether the same idempotent call may succeed when it is made again a little later.
bool is_transient(const absl::Status& status);

}  // namespace espalier::client
