// The Open Inference Protocol over a ModelRepository.
#pragma once

#include <atomic>

#include "server/common/metrics.h"
#include "server/serving/model_repository.h"
#include "server/serving/unoffered_calls.h"

namespace espalier::server {

class InferenceService final : public UnofferedCalls {
 public:
  // Both outlive the service; `options` is what the models' batchers run with.
  InferenceService(const ModelRepository& repository, const runtime::BatcherOptions& options,
                   Metrics& metrics)
      : repository_(repository), options_(options), metrics_(metrics) {}

  // What ServerReady and ModelReady say: false until the first snapshot and while draining.
  // Requests are answered all the same: who still asks has not heard yet.
  void set_ready(bool ready) { ready_ = ready; }
  bool ready() const { return ready_; }

  Unary* ServerLive(Context* context, const inference::ServerLiveRequest* request,
                    inference::ServerLiveResponse* response) override;
  Unary* ServerReady(Context* context, const inference::ServerReadyRequest* request,
                     inference::ServerReadyResponse* response) override;
  Unary* ModelReady(Context* context, const inference::ModelReadyRequest* request,
                    inference::ModelReadyResponse* response) override;
  Unary* ServerMetadata(Context* context, const inference::ServerMetadataRequest* request,
                        inference::ServerMetadataResponse* response) override;
  Unary* ModelMetadata(Context* context, const inference::ModelMetadataRequest* request,
                       inference::ModelMetadataResponse* response) override;
  Unary* ModelConfig(Context* context, const inference::ModelConfigRequest* request,
                     inference::ModelConfigResponse* response) override;
  Unary* ModelStatistics(Context* context, const inference::ModelStatisticsRequest* request,
                         inference::ModelStatisticsResponse* response) override;
  Unary* RepositoryIndex(Context* context, const inference::RepositoryIndexRequest* request,
                         inference::RepositoryIndexResponse* response) override;
  Unary* ModelInfer(Context* context, const inference::ModelInferRequest* request,
                    inference::ModelInferResponse* response) override;

 private:
  const ModelRepository& repository_;
  const runtime::BatcherOptions options_;
  Metrics& metrics_;
  std::atomic<bool> ready_{false};
};

}  // namespace espalier::server
