#include "server/common/serve.h"

#include <spdlog/spdlog.h>

namespace espalier::server {

RpcTimer::RpcTimer(std::string method, Metrics& metrics, const grpc::ServerContextBase* context)
    : method_(std::move(method)), metrics_(metrics), context_(context) {}

RpcTimer::~RpcTimer() {
  if (!finished_) finish(absl::CancelledError("the call ended before it was answered"));
}

grpc::Status RpcTimer::finish(const absl::Status& status) {
  if (std::exchange(finished_, true)) return to_grpc(status);
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start_;
  metrics_.record_rpc(method_, code_name(status.code()), seconds.count());
  if (!status.ok()) {
    bool ours = absl::IsInternal(status) || absl::IsUnknown(status);
    spdlog::log(ours ? spdlog::level::err : spdlog::level::debug, "{} of {}: {}", method_,
                context_ ? context_->peer() : "nobody",
                status.ToString(absl::StatusToStringMode::kWithNoExtraData));
  }
  return to_grpc(status);
}

}  // namespace espalier::server
