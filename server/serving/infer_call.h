// One ModelInfer call of gRPC.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>

#include "server/common/serve.h"
#include "server/serving/repository_protocol.h"

namespace espalier::server {

class InferCall : public grpc::ServerUnaryReactor {
 public:
  // The object finishes the call and deletes itself.
  static grpc::ServerUnaryReactor* start(grpc::CallbackServerContext* context,
                                         const inference::ModelInferRequest* request,
                                         inference::ModelInferResponse* response,
                                         RepositoryProtocol& protocol, Metrics& metrics);

  // The caller went away: rows that wait are dropped.
  void OnCancel() override;
  void OnDone() override { delete this; }

 private:
  InferCall(grpc::CallbackServerContext* context, inference::ModelInferResponse* response,
            Metrics& metrics)
      : response_(response), timer_("ModelInfer", metrics, context) {}

  void answer(const absl::Status& status, inference::ModelInferResponse response);

  inference::ModelInferResponse* const response_;
  RpcTimer timer_;
  std::shared_ptr<Protocol::Call> call_;
};

}  // namespace espalier::server
