// Watching a job over connections that break.
#include "absl/strings/str_cat.h"
#include "client/cpp/connection.h"
#include "core/base/status_macros.h"

namespace espalier::client {

bool is_ended(v1::Job::State state) {
  return state == v1::Job::STATE_SUCCEEDED || state == v1::Job::STATE_FAILED ||
         state == v1::Job::STATE_CANCELLED;
}

absl::StatusOr<v1::Job> Client::watch_job(
    const std::string& id, uint64_t after_seq,
    const std::function<void(const v1::JobEvent&)>& on_event) {
  // A service that cannot be reached at all is told at once; only a watch that stood is worth
  // waiting for.
  ESPALIER_ASSIGN_OR_RETURN(auto job, get_job(id));
  Backoff backoff(options_);
  while (true) {
    grpc::ClientContext context;
    v1::WatchJobRequest request;
    request.set_name(name("jobs", id));
    request.set_after_seq(after_seq);
    auto stream = connection_->jobs->WatchJob(&context, request);
    v1::WatchJobResponse response;
    while (stream->Read(&response)) {
      backoff.reset();
      if (response.event().seq() <= after_seq) continue;
      after_seq = response.event().seq();
      on_event(response.event());
    }
    absl::Status status = to_status(stream->Finish(), connection_->peer);
    if (status.ok()) {
      auto now = get_job(id);
      if (now.ok() && is_ended(now->state())) return now;
      // The server ended the stream before the job did, for example because it is shutting down.
      status = now.ok()
                   ? absl::UnavailableError(absl::StrCat("the watch of job ", id, " ended early"))
                   : now.status();
    }
    if (!backoff.again(status)) return status;
  }
}

}  // namespace espalier::client
