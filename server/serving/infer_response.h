// Answers of the engine as a ModelInferResponse.
#pragma once

#include <span>
#include <string>

#include "absl/status/status.h"
#include "core/runtime/engine.h"
#include "inference/grpc_service.pb.h"
#include "server/serving/answer_text.h"
#include "server/serving/tensors.h"

namespace espalier::server {

// Which model answered.
struct ModelCard {
  std::string name;     // as clients ask for it
  std::string version;  // the artifact's id
  runtime::ModelInfo info;
};

// INTERNAL where a row of the request has logits that are not finite: its label would be one of
// nothing. `read` as below.
absl::Status check_answers(std::span<const runtime::Answer> answers,
                           std::span<const ReadRow> read = {});

// Fills in outputs, always as raw contents and in the order of `outputs`, the name and version of
// the model, and the parameter `truncated`. Where tokens have logits the tensors are [n, T, C], T
// of the longest row and the others filled up with 0; a row of several windows has the tokens of
// one after those of the other. Of asked words they are [n, asked, V], likewise. `answers` are
// those of the engine's rows; `read` says which of them belong to a row of the request, and is
// empty where each is one (never for questions). The request's id is the caller's business.
void fill_response(const ModelCard& card, std::span<const Output> outputs,
                   std::span<const runtime::Answer> answers, bool truncated,
                   inference::ModelInferResponse* response, std::span<const ReadRow> read = {});

}  // namespace espalier::server
