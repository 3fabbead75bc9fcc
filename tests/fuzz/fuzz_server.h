// What stands behind the door that is fuzzed: the protocol over a model of every task and one that
// did not load, and the promises that an answer keeps.
#pragma once

#include <chrono>

#include "absl/status/statusor.h"
#include "inference/grpc_service.pb.h"
#include "server/common/metrics.h"
#include "server/serving/model_repository.h"
#include "server/serving/repository_protocol.h"
#include "tests/fuzz/fuzz_engine.h"

namespace espalier::fuzz {

using Deadline = std::chrono::steady_clock::time_point;

class FuzzServer {
 public:
  FuzzServer();

  server::Protocol& protocol() { return protocol_; }
  server::Metrics& metrics() { return metrics_; }

  // Waits for the answer and checks what all answers have in common, on whatever way it was asked.
  absl::StatusOr<inference::ModelInferResponse> ask(const inference::ModelInferRequest& request,
                                                    Deadline deadline = Deadline::max(),
                                                    bool cancel = false);

 private:
  const std::shared_ptr<const Tokenizer> tokenizer_ = fuzz_tokenizer();
  server::Metrics metrics_{"fuzz"};
  server::ModelLabels labels_;
  const runtime::BatcherOptions options_;
  runtime::Executor executor_;
  server::ModelRepository repository_;
  server::RepositoryProtocol protocol_{repository_, options_, metrics_};
};

// The process's own, made when it is first asked for.
FuzzServer& fuzz_server();

// A request for each way in which each model can be asked, and some that are refused.
std::vector<inference::ModelInferRequest> seed_requests();
// Names and texts that requests are made of.
const std::vector<std::string>& request_words();

// Ends the process where an answer breaks a promise of protocol.md.
void check_answer(const inference::ModelInferRequest& request,
                  const inference::ModelInferResponse& response);
void check_refusal(const absl::Status& status);

}  // namespace espalier::fuzz
