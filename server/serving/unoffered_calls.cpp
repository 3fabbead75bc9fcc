#include "server/serving/unoffered_calls.h"

namespace espalier::server {

grpc::ServerUnaryReactor* UnofferedCalls::refuse(Context* context, const char* why) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish({grpc::StatusCode::UNIMPLEMENTED, why});
  return reactor;
}

}  // namespace espalier::server
