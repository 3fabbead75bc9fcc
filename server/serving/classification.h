// The protocol's classification extension: instead of a row's numbers, its best classes by name.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "inference/grpc_service.pb.h"
#include "server/serving/tensors.h"

namespace espalier::server {

// The parameter `classification` of an output that is asked for: how many classes; 0 without it.
// INVALID_ARGUMENT for values that are no count, for outputs and tasks whose numbers are not those
// of classes, and for other parameters; UNIMPLEMENTED for shared memory.
absl::StatusOr<int> parse_classification(
    const inference::ModelInferRequest::InferRequestedOutputTensor& wanted, Output output,
    const runtime::ModelInfo& info);

// Makes of a tensor FP32 [n,C] one of BYTES [n,min(classes,C)]: the largest numbers of a row, the
// largest first, as "value:index:label", or "value:index" where the model has no label names. The
// value has six decimals, as other servers of the protocol write it; of equals the lower index is
// first.
void rank_classes(const std::vector<std::string>& labels, int classes,
                  inference::ModelInferResponse::InferOutputTensor* tensor, std::string* raw);

}  // namespace espalier::server
