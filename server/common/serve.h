// What every RPC handler does the same way, so that a handler is five lines:
//
//   grpc::Status GetJob(grpc::ServerContext* context, const GetJobRequest* request,
//                       GetJobResponse* response) override {
//     return serve("GetJob", metrics_, context, [&]() -> absl::Status {
//       ESPALIER_ASSIGN_OR_RETURN(*response->mutable_job(), store_.job(request->name()));
//       return absl::OkStatus();
//     });
//   }
#pragma once

#include <grpcpp/server_context.h>

#include <chrono>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "core/base/guard.h"
#include "server/common/metrics.h"
#include "server/common/status.h"

namespace espalier::server {

// Times one RPC, counts it and logs it when it fails: INTERNAL and UNKNOWN at error level
// (our fault), everything else at debug. For callback reactors: keep it in the reactor and call
// finish() once, for example `Finish(timer_.finish(status))`. A timer that dies unfinished counts
// as CANCELLED.
class RpcTimer {
 public:
  RpcTimer(std::string method, Metrics& metrics, const grpc::ServerContextBase* context);
  ~RpcTimer();
  RpcTimer(const RpcTimer&) = delete;
  RpcTimer& operator=(const RpcTimer&) = delete;

  grpc::Status finish(const absl::Status& status);

 private:
  std::string method_;
  Metrics& metrics_;
  const grpc::ServerContextBase* context_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  bool finished_ = false;
};

// Runs `function`, which returns an absl::Status; what it throws becomes INTERNAL (see
// core/base/guard.h).
template <class F>
grpc::Status serve(std::string method, Metrics& metrics, const grpc::ServerContextBase* context,
                   F&& function) {
  RpcTimer timer(method, metrics, context);
  return timer.finish(guard(method.c_str(), std::forward<F>(function)));
}

}  // namespace espalier::server
