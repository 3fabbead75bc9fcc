// A lease while a worker holds it: beats in a thread of its own, carries the proof into every call
// about the job, and remembers what the answers say: the job was cancelled, or the lease is lost.
//
// An espalierd that cannot be reached changes nothing: the job goes on, the beat is tried again
// until it works, and the log says so once. ABORTED means that somebody else holds the job: this
// worker is a zombie, must stop at once and may write nothing more.
#pragma once

#include <atomic>
#include <chrono>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "server/worker/control_client.h"
#include "server/worker/stop_flag.h"

namespace espalier::server {

class HeldLease {
 public:
  struct Options {
    std::chrono::duration<double> heartbeat{10};
    // How long calls are still retried after the worker was told to stop.
    std::chrono::milliseconds stop_grace{10'000};
  };
  // Starts to beat. `client` and `stop` must outlive it.
  HeldLease(const ControlClient& client, wire::LeaseToken token, const StopFlag& stop,
            Options options);
  ~HeldLease();

  const wire::LeaseToken& token() const { return token_; }
  // A user cancelled the job.
  bool cancelled() const { return cancelled_; }
  // Somebody else holds the job, or it ended.
  bool lost() const { return lost_; }
  // The worker was told to stop.
  bool stopping() const { return stop_.stopped(); }

  // One try. Fills in the token and notes what the answer says.
  template <class Request, class Response>
  absl::StatusOr<Response> call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                             Response*),
                                Request request) {
    *request.mutable_token() = token_;
    return note(client_.call(method, request));
  }
  // Until espalierd answers, the lease is lost, `abandon` says so, or the stop's grace is over.
  template <class Request, class Response>
  absl::StatusOr<Response> call_patiently(grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                                       const Request&, Response*),
                                          Request request,
                                          const std::function<bool()>& abandon = {}) {
    *request.mutable_token() = token_;
    return note(client_.call_patiently(method, request, [&] {
      return lost_ || (abandon && abandon()) || stop_.stopped_for(options_.stop_grace);
    }));
  }

 private:
  template <class Response>
  absl::StatusOr<Response> note(absl::StatusOr<Response> response) {
    if (absl::IsAborted(response.status())) lost_ = true;
    if constexpr (requires(const Response& r) { r.cancel_requested(); }) {
      if (response.ok() && response->cancel_requested()) cancelled_ = true;
    }
    return response;
  }
  void beat();

  const ControlClient& client_;
  const wire::LeaseToken token_;
  const StopFlag& stop_;
  const Options options_;
  std::atomic<bool> cancelled_{false}, lost_{false};
  StopFlag over_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace espalier::server
