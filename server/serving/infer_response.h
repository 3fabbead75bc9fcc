// Answers of the engine as a ModelInferResponse.
#pragma once

#include <span>
#include <string>

#include "core/runtime/engine.h"
#include "inference/grpc_service.pb.h"
#include "server/serving/tensors.h"

namespace espalier::server {

// Which model answered.
struct ModelCard {
  std::string name;     // as clients ask for it
  std::string version;  // the artifact's id
  runtime::ModelInfo info;
};

// Fills in outputs, always as raw contents and in the order of `outputs`, the name and version of
// the model, and the parameter `truncated`. The request's id is the caller's business.
void fill_response(const ModelCard& card, std::span<const Output> outputs,
                   std::span<const runtime::Answer> answers, bool truncated,
                   inference::ModelInferResponse* response);

// The name of a label, or its number where the model has no names.
std::string label_name(const runtime::ModelInfo& info, int label);

}  // namespace espalier::server
