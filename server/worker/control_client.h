// Calls to espalierd. Any RPC of WorkerService by its stub method:
//
//   client.call(&Stub::RegisterWorker, request)             once
//   client.call_patiently(&Stub::CompleteJob, request, [] { return false; })   until espalierd is
//   back
#pragma once

#include <grpcpp/client_context.h>

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "espalier/worker/v1/worker.grpc.pb.h"
#include "server/common/status.h"

namespace espalier::server {

namespace wire = espalier::worker::v1;
using Stub = wire::WorkerService::Stub;

// espalierd is away or restarts: the same call may work later.
bool is_transient(const absl::Status& status);

class ControlClient {
 public:
  struct Options {
    std::string address;
    std::chrono::milliseconds deadline{20'000};  // of one call
    std::chrono::milliseconds first_retry{100};  // doubles up to last_retry
    std::chrono::milliseconds last_retry{2'000};
  };
  explicit ControlClient(Options options);

  // One try.
  template <class Request, class Response>
  absl::StatusOr<Response> call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                             Response*),
                                const Request& request) const {
    grpc::ClientContext context;
    return run(method, request, context, options_.deadline);
  }

  // Again and again while espalierd is away, unless `give_up` says so; then the last error.
  template <class Request, class Response>
  absl::StatusOr<Response> call_patiently(grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                                       const Request&, Response*),
                                          const Request& request,
                                          const std::function<bool()>& give_up) const {
    for (auto pause = options_.first_retry;; pause = std::min(pause * 2, options_.last_retry)) {
      auto response = call(method, request);
      if (response.ok() || !is_transient(response.status())) return response;
      if (!wait(pause, give_up)) return response;
    }
  }

  // LeaseJob may take `seconds` longer than another call, and interrupt() ends it (and all later
  // ones).
  absl::StatusOr<wire::LeaseJobResponse> lease(const wire::WorkerInfo& worker, double seconds);
  void interrupt();

  const Options& options() const { return options_; }

 private:
  template <class Request, class Response>
  absl::StatusOr<Response> run(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                            Response*),
                               const Request& request, grpc::ClientContext& context,
                               std::chrono::milliseconds deadline) const {
    context.set_deadline(std::chrono::system_clock::now() + deadline);
    Response response;
    grpc::Status status = (stub_.get()->*method)(&context, request, &response);
    if (!status.ok()) return from_grpc(status);
    return response;
  }
  // False when `give_up` said so before the pause was over.
  static bool wait(std::chrono::milliseconds pause, const std::function<bool()>& give_up);

  Options options_;
  std::unique_ptr<Stub> stub_;
  std::mutex mutex_;
  grpc::ClientContext* leasing_ = nullptr;  // guarded by mutex_
  bool interrupted_ = false;                // guarded by mutex_
};

}  // namespace espalier::server
