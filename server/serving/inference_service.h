// The Open Inference Protocol over gRPC: what every call answers stands in protocol.md.
#pragma once

#include <functional>

#include "server/common/errands.h"
#include "server/common/metrics.h"
#include "server/serving/repository_protocol.h"
#include "server/serving/stream_call.h"
#include "server/serving/unoffered_calls.h"

namespace espalier::server {

class InferenceService final : public UnofferedCalls {
 public:
  // Both outlive the service. The bound is that of each stream.
  InferenceService(RepositoryProtocol& protocol, Metrics& metrics,
                   size_t max_unwritten_bytes = StreamCall::kMaxUnwrittenBytes)
      : protocol_(protocol), metrics_(metrics), max_unwritten_bytes_(max_unwritten_bytes) {}

  // Streams may be open for days: ends each once what it has read is answered.
  void drain_streams() { streams_.drain(); }

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
  Unary* RepositoryModelLoad(Context* context, const inference::RepositoryModelLoadRequest* request,
                             inference::RepositoryModelLoadResponse* response) override;
  Unary* RepositoryModelUnload(Context* context,
                               const inference::RepositoryModelUnloadRequest* request,
                               inference::RepositoryModelUnloadResponse* response) override;
  Unary* ModelInfer(Context* context, const inference::ModelInferRequest* request,
                    inference::ModelInferResponse* response) override;
  grpc::ServerBidiReactor<inference::ModelInferRequest, inference::ModelStreamInferResponse>*
  ModelStreamInfer(Context* context) override;

 private:
  // Answers on a thread of its own; UNAVAILABLE when too many wait for it.
  Unary* answer_later(const char* method, Context* context, std::function<absl::Status()> function);

  RepositoryProtocol& protocol_;
  Metrics& metrics_;
  const size_t max_unwritten_bytes_;
  OpenStreams streams_;
  Errands changes_;  // loads and unloads
};

}  // namespace espalier::server
