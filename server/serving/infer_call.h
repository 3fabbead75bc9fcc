// One ModelInfer call, from the request's thread over the batcher's to the answer.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <memory>

#include "inference/grpc_service.pb.h"
#include "server/common/serve.h"
#include "server/serving/infer_request.h"
#include "server/serving/model_repository.h"

namespace espalier::server {

class InferCall : public grpc::ServerUnaryReactor {
 public:
  // Parses and tokenises on the calling thread and puts the rows into the model's queue. The object
  // finishes the call and deletes itself.
  static grpc::ServerUnaryReactor* start(grpc::CallbackServerContext* context,
                                         const inference::ModelInferRequest* request,
                                         inference::ModelInferResponse* response,
                                         const ModelRepository& repository, Metrics& metrics);

  // The caller went away: rows that wait are dropped.
  void OnCancel() override;
  void OnDone() override { delete this; }

 private:
  InferCall(grpc::CallbackServerContext* context, const inference::ModelInferRequest* request,
            inference::ModelInferResponse* response, Metrics& metrics);

  // After OK the call may be finished by another thread at any time: touch nothing.
  absl::Status begin(const ModelRepository& repository);
  absl::Status submit(Model& model, EncodedRequest encoded);
  void answer(const absl::StatusOr<runtime::BatchedAnswer>& batched, bool truncated);
  void fail(const absl::Status& status);
  runtime::TimePoint deadline() const;
  // CANCELLED or DEADLINE_EXCEEDED once nobody waits for the answer.
  absl::Status go_on(runtime::TimePoint deadline) const;

  grpc::CallbackServerContext* const context_;
  const inference::ModelInferRequest* const request_;
  inference::ModelInferResponse* const response_;
  Metrics& metrics_;
  RpcTimer timer_;
  const runtime::TimePoint start_ = std::chrono::steady_clock::now();
  const std::shared_ptr<std::atomic<bool>> cancelled_ = std::make_shared<std::atomic<bool>>(false);

  // Of the model that answers; kept instead of the model itself, because the answer comes on the
  // model's own thread, which must not be the one that ends it.
  std::shared_ptr<const ModelCard> card_;
  std::shared_ptr<ModelRecorder> recorder_;
  std::vector<Output> outputs_;
  std::vector<ReadRow> read_;  // empty for ids
  InferParameters parameters_;
  RequestTimes times_;
};

}  // namespace espalier::server
