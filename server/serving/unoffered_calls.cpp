#include "server/serving/unoffered_calls.h"

namespace espalier::server {

grpc::ServerBidiReactor<inference::ModelInferRequest, inference::ModelStreamInferResponse>*
UnofferedCalls::ModelStreamInfer(Context*) {
  class Refusal : public grpc::ServerBidiReactor<inference::ModelInferRequest,
                                                 inference::ModelStreamInferResponse> {
   public:
    Refusal() {
      Finish({grpc::StatusCode::UNIMPLEMENTED,
              "streaming inference is not offered yet; use ModelInfer, it batches across calls"});
    }
    void OnDone() override { delete this; }
  };
  return new Refusal;
}

grpc::ServerUnaryReactor* UnofferedCalls::refuse(Context* context, const char* why) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish({grpc::StatusCode::UNIMPLEMENTED, why});
  return reactor;
}

}  // namespace espalier::server
