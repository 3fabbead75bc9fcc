// Parameters of an inference request.
#pragma once

#include <chrono>
#include <limits>
#include <optional>

#include "absl/status/statusor.h"
#include "core/runtime/engine.h"
#include "inference/grpc_service.pb.h"

namespace espalier::server {

struct InferParameters {
  double exit_threshold = std::numeric_limits<double>::quiet_NaN();  // NaN: the calibrated one
  int max_exit_layer = 0;                                            // 0: the last layer
  std::optional<std::chrono::microseconds> timeout;                  // in the queue
};

// exit_threshold (double or int64), max_exit_layer (int64) and timeout (int64, microseconds; 0:
// none) are obeyed; the protocol's sequence_* and priority are accepted and ignored, and so are
// keys that belong to nobody here. INVALID_ARGUMENT: a wrong type or value, a key with the reserved
// prefix "triton_", and what reads like a misspelt name of ours.
absl::StatusOr<InferParameters> parse_parameters(
    const google::protobuf::Map<std::string, inference::InferParameter>& parameters,
    const runtime::ModelInfo& info);

}  // namespace espalier::server
