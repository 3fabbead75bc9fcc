#include "server/worker/control_client.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <algorithm>

namespace espalier::server {

bool is_transient(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:  // by a server that shuts down; we cancel none of these
                                        // calls
    case absl::StatusCode::kUnknown:    // a stream that broke in the middle
      return true;
    default:
      return false;
  }
}

ControlClient::ControlClient(Options options) : options_(std::move(options)) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // The channel's own backoff must not hold up our retries.
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS,
                   static_cast<int>(options_.first_retry.count()));
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS,
                   static_cast<int>(options_.first_retry.count()));
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS,
                   static_cast<int>(options_.last_retry.count()));
  // Notices an espalierd whose machine vanished during a long poll.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  stub_ = wire::WorkerService::NewStub(
      grpc::CreateCustomChannel(options_.address, grpc::InsecureChannelCredentials(), arguments));
}

absl::StatusOr<wire::LeaseJobResponse> ControlClient::lease(const wire::WorkerInfo& worker,
                                                            double seconds) {
  wire::LeaseJobRequest request;
  *request.mutable_worker() = worker;
  request.set_wait_seconds(seconds);
  grpc::ClientContext context;
  {
    std::lock_guard lock(mutex_);
    if (interrupted_) return absl::CancelledError("the worker stops");
    leasing_ = &context;
  }
  auto wait = std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000));
  auto response = run(&Stub::LeaseJob, request, context, options_.deadline + wait);
  std::lock_guard lock(mutex_);
  leasing_ = nullptr;
  return response;
}

void ControlClient::interrupt() {
  std::lock_guard lock(mutex_);
  interrupted_ = true;
  if (leasing_ != nullptr) leasing_->TryCancel();
}

bool ControlClient::wait(std::chrono::milliseconds pause, const std::function<bool()>& give_up) {
  using Clock = std::chrono::steady_clock;
  for (auto end = Clock::now() + pause; Clock::now() < end;) {
    if (give_up()) return false;
    std::this_thread::sleep_for(
        std::min<Clock::duration>(end - Clock::now(), std::chrono::milliseconds(20)));
  }
  return !give_up();
}

}  // namespace espalier::server
