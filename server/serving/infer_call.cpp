#include "server/serving/infer_call.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "server/serving/call_deadline.h"

namespace espalier::server {

grpc::ServerUnaryReactor* InferCall::start(grpc::CallbackServerContext* context,
                                           const inference::ModelInferRequest* request,
                                           inference::ModelInferResponse* response,
                                           RepositoryProtocol& protocol, Metrics& metrics) {
  auto* call = new InferCall(context, response, metrics);
  // gRPC made the message for this call alone and reads it no more: its bytes, which may be many,
  // go on without a copy.
  auto& own = const_cast<inference::ModelInferRequest&>(*request);
  // Nothing reacts to this object, nor ends it, before it is returned.
  call->call_ = protocol.infer(
      std::move(own), deadline_of(*context),
      [call](const absl::Status& status, inference::ModelInferResponse answered) {
        call->answer(status, std::move(answered));
      },
      [context] { return context->IsCancelled(); });
  return call;
}

void InferCall::OnCancel() {
  call_->cancel();
  spdlog::info("ModelInfer: the caller or its connection went before the answer");
}

void InferCall::answer(const absl::Status& status, inference::ModelInferResponse response) {
  *response_ = std::move(response);
  Finish(timer_.finish(status));
}

}  // namespace espalier::server
