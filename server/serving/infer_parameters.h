// Parameters of an inference request.
#pragma once

#include <chrono>
#include <limits>
#include <optional>

#include "absl/status/statusor.h"
#include "core/runtime/admission.h"
#include "core/runtime/engine.h"
#include "inference/grpc_service.pb.h"

namespace espalier::server {

// Priorities are 1, the highest, to this one; it is also that of requests that name none.
inline constexpr int kPriorityLevels = runtime::kPriorities + 1;

struct InferParameters {
  double exit_threshold = std::numeric_limits<double>::quiet_NaN();  // NaN: the calibrated one
  int max_exit_layer = 0;                                            // 0: the last layer
  std::optional<std::chrono::microseconds> timeout;                  // in the queue
  int priority = 0;                                                  // 1: highest; 0: the default
};

// exit_threshold (double or int64), max_exit_layer (int64), timeout (int64, microseconds; 0: none)
// and priority (an integer) are obeyed. Every request has one response, which is its final one, so
// triton_enable_empty_final_response changes nothing; keys that belong to nobody here are ignored.
// INVALID_ARGUMENT: a wrong type or value, another key with the reserved prefix "triton_", and what
// reads like a misspelt name of ours. UNIMPLEMENTED: sequence_* that ask for a sequence.
absl::StatusOr<InferParameters> parse_parameters(
    const google::protobuf::Map<std::string, inference::InferParameter>& parameters,
    const runtime::ModelInfo& info);

}  // namespace espalier::server
