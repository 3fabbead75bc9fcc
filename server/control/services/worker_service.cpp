#include "server/control/services/worker_service.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "server/common/bounded_text.h"
#include "server/common/serve.h"
#include "server/control/convert.h"
#include "server/control/matching.h"

namespace espalier::server {

using namespace espalier::worker::v1;  // NOLINT: messages only

namespace {

constexpr double kLongestPoll = 60;
constexpr int kMostOfferedLabels = 64;
constexpr int kMostOfferedMethods = 1000;
constexpr size_t kLongestOffered = 512;
constexpr int kMostFigures = 256;

// A map of a worker, bounded: espalierd keeps it as long as the worker lives.
template <class Map>
absl::Status check_offered(const Map& map, int most, const std::string& field) {
  bool fits = map.size() <= static_cast<size_t>(most);
  for (const auto& [name, value] : map) {
    fits &= name.size() <= kLongestOffered && value.size() <= kLongestOffered;
  }
  if (fits) return absl::OkStatus();
  return with_reason(absl::InvalidArgumentError(
                         absl::StrCat(field, " has ", map.size(), " entries; at most ", most,
                                      " of ", kLongestOffered, " bytes each are allowed")),
                     "BAD_WORKER", field);
}

absl::Status check_worker(const WorkerInfo& worker) {
  const std::string& id = worker.id();
  if (id.empty() || id.size() > 200 ||
      std::any_of(id.begin(), id.end(), [](unsigned char c) { return absl::ascii_iscntrl(c); })) {
    return with_reason(absl::InvalidArgumentError(
                           "worker.id must have 1 to 200 bytes, none of them a control character"),
                       "BAD_WORKER", "worker.id");
  }
  if (worker.compute_class().size() > kLongestOffered) {
    return with_reason(absl::InvalidArgumentError(absl::StrCat(
                           "worker.compute_class is longer than ", kLongestOffered, " bytes")),
                       "BAD_WORKER", "worker.compute_class");
  }
  ESPALIER_RETURN_IF_ERROR(check_offered(worker.labels(), kMostOfferedLabels, "worker.labels"));
  ESPALIER_RETURN_IF_ERROR(check_offered(worker.methods(), kMostOfferedMethods, "worker.methods"));
  const uint32_t spoken = worker.protocol_version();
  if (spoken == kWorkerProtocol || spoken + 1 == kWorkerProtocol) return absl::OkStatus();
  return with_reason(
      absl::FailedPreconditionError(absl::StrCat(
          "the worker speaks protocol version ", spoken, ", espalierd speaks ", kWorkerProtocol - 1,
          " and ", kWorkerProtocol, "; install builds that agree")),
      "PROTOCOL_VERSION", "worker.protocol_version");
}

// The figures that a job reports, bounded like its texts: they are kept with every event.
absl::Status check_figures(const espalier::v1::Progress& progress) {
  bool fits = progress.metrics_size() <= kMostFigures;
  for (const auto& [name, value] : progress.metrics()) fits &= name.size() <= kLongestWord;
  if (fits) return absl::OkStatus();
  return with_reason(
      absl::InvalidArgumentError(absl::StrCat(
          "progress.metrics has ", progress.metrics_size(), " entries; at most ", kMostFigures,
          " with names of at most ", kLongestWord, " bytes are allowed")),
      "BAD_PROGRESS", "progress.metrics");
}

// The manifest's hash: sorted "sha256  path" lines, as sha256sum prints them.
std::string manifest_sha256(std::vector<StoredFile> files) {
  std::sort(files.begin(), files.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  std::string manifest;
  for (const StoredFile& file : files)
    absl::StrAppend(&manifest, file.sha256, "  ", file.path, "\n");
  return sha256_hex(manifest);
}

absl::StatusOr<NewArtifact> read_artifact(const espalier::worker::v1::NewArtifact& message,
                                          const std::string& field) {
  server::NewArtifact artifact;
  ESPALIER_ASSIGN_OR_RETURN(artifact.files, read_files(message.files(), field + ".files"));
  artifact.body.set_task(message.task());
  *artifact.body.mutable_summary() = message.summary();
  artifact.body.set_manifest_sha256(manifest_sha256(artifact.files));
  for (const StoredFile& file : artifact.files) {
    if (file.path == "model.safetensors") artifact.body.set_weights_sha256(file.sha256);
  }
  return artifact;
}

}  // namespace

template <class RequestMessage, class F>
grpc::Status WorkerService::serve_held(const char* method, grpc::ServerContext* context,
                                       const RequestMessage& request, F&& function) {
  return serve(method, desk_.metrics, context, [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(const LeaseHold hold, hold_of(request.token()));
    desk_.workers.saw(hold.worker);
    const absl::Status status = function(hold);
    desk_.measured.count_refusal(status);
    return status;
  });
}

grpc::Status WorkerService::RegisterWorker(grpc::ServerContext* context,
                                           const RegisterWorkerRequest* request,
                                           RegisterWorkerResponse* response) {
  return serve("RegisterWorker", desk_.metrics, context, [&]() -> absl::Status {
    ESPALIER_RETURN_IF_ERROR(check_worker(request->worker()));
    desk_.workers.saw(request->worker());
    spdlog::info("worker {} ({}, {}) registered", request->worker().id(),
                 request->worker().device(), request->worker().compute_class());
    response->set_protocol_version(kWorkerProtocol);
    response->set_heartbeat_seconds(desk_.lease_seconds / 3);
    return absl::OkStatus();
  });
}

absl::StatusOr<std::optional<Claim>> WorkerService::wait_for_job(grpc::ServerContext* context,
                                                                 const WorkerInfo& worker,
                                                                 double seconds) {
  using Clock = std::chrono::steady_clock;
  auto slot = pollers_.take();  // without one the call does not wait
  const double wait = std::isfinite(seconds) && slot ? std::clamp(seconds, 0.0, kLongestPoll) : 0;
  const auto deadline = Clock::now() + std::chrono::milliseconds(static_cast<int64_t>(wait * 1000));
  while (!context->IsCancelled() && !desk_.notifier.is_stopped()) {
    desk_.workers.saw(worker);
    const uint64_t seen = desk_.notifier.version();
    ESPALIER_ASSIGN_OR_RETURN(auto claim, desk_.store.claim(worker));
    if (claim) return claim;
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) break;
    // Woken by what changes; looks now and then by itself for leases that expire and backoffs that
    // end.
    desk_.notifier.wait(seen, std::min(left, kLook));
  }
  return std::nullopt;
}

grpc::Status WorkerService::LeaseJob(grpc::ServerContext* context, const LeaseJobRequest* request,
                                     LeaseJobResponse* response) {
  return serve("LeaseJob", desk_.metrics, context, [&]() -> absl::Status {
    ESPALIER_RETURN_IF_ERROR(check_worker(request->worker()));
    ESPALIER_ASSIGN_OR_RETURN(auto claim,
                              wait_for_job(context, request->worker(), request->wait_seconds()));
    if (!claim) return absl::OkStatus();
    const std::string& worker = request->worker().id();
    if (context->IsCancelled()) {  // nobody will hear of this lease
      ESPALIER_ASSIGN_OR_RETURN(const Key job, parse_name(claim->job.name(), "jobs"));
      ESPALIER_RETURN_IF_ERROR(desk_.store.release_job({job, claim->fence, worker}).status());
      return absl::CancelledError("the worker has gone");
    }
    spdlog::info("{} goes to worker {}, attempt {}, fence {}", claim->job.name(), worker,
                 claim->job.attempt(), claim->fence);
    desk_.measured.observe_start(claim->job);
    desk_.notifier.notify();
    write_claim(*claim, worker, desk_.lease_seconds, *response->mutable_lease());
    return absl::OkStatus();
  });
}

grpc::Status WorkerService::Heartbeat(grpc::ServerContext* context, const HeartbeatRequest* request,
                                      HeartbeatResponse* response) {
  return serve_held("Heartbeat", context, *request, [&](const LeaseHold& hold) -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(const bool cancelled, desk_.store.heartbeat(hold));
    response->set_cancel_requested(cancelled);
    return absl::OkStatus();
  });
}

grpc::Status WorkerService::ReportProgress(grpc::ServerContext* context,
                                           const ReportProgressRequest* request,
                                           ReportProgressResponse* response) {
  return serve_held(
      "ReportProgress", context, *request, [&](const LeaseHold& hold) -> absl::Status {
        auto progress = request->progress();
        ESPALIER_RETURN_IF_ERROR(check_figures(progress));
        bound_texts(progress);
        ESPALIER_ASSIGN_OR_RETURN(
            const bool cancelled,
            desk_.store.report_progress(hold, progress,
                                        utf8_prefix(request->event_kind(), kLongestWord),
                                        bounded(request->message(), kLongestMessage)));
        response->set_cancel_requested(cancelled);
        if (!request->event_kind().empty()) desk_.notifier.notify();
        return absl::OkStatus();
      });
}

grpc::Status WorkerService::ReadBlob(grpc::ServerContext* context, const ReadBlobRequest* request,
                                     ReadBlobResponse* response) {
  return serve_held("ReadBlob", context, *request, [&](const LeaseHold& hold) -> absl::Status {
    ESPALIER_RETURN_IF_ERROR(desk_.store.check_read(hold, request->sha256()));
    ESPALIER_ASSIGN_OR_RETURN(
        *response->mutable_data(),
        desk_.blobs.read(hold.job.project, request->sha256(), request->offset(), request->limit()));
    return absl::OkStatus();
  });
}

grpc::Status WorkerService::WriteBlob(grpc::ServerContext* context, const WriteBlobRequest* request,
                                      WriteBlobResponse* response) {
  return serve_held("WriteBlob", context, *request, [&](const LeaseHold& hold) -> absl::Status {
    Files files;
    auto& file = *files.Add();
    file.set_path("blob");
    file.set_sha256(request->sha256());
    file.set_size(request->size());
    ESPALIER_ASSIGN_OR_RETURN(const auto blob, read_files(files, "blob"));
    ESPALIER_RETURN_IF_ERROR(desk_.store.check_lease(hold));
    ESPALIER_ASSIGN_OR_RETURN(
        const uint64_t committed,
        desk_.blobs.write_for(hold, blob.front(),
                              Chunk{request->offset(), request->data(), request->crc32c()}));
    response->set_committed(committed);
    return absl::OkStatus();
  });
}

grpc::Status WorkerService::CommitCheckpoint(grpc::ServerContext* context,
                                             const CommitCheckpointRequest* request,
                                             CommitCheckpointResponse* response) {
  return serve_held(
      "CommitCheckpoint", context, *request, [&](const LeaseHold& hold) -> absl::Status {
        Checkpoint checkpoint{{}, request->compute_class()};
        ESPALIER_ASSIGN_OR_RETURN(checkpoint.files, read_files(request->files(), "files"));
        ESPALIER_ASSIGN_OR_RETURN(const bool cancelled,
                                  desk_.store.commit_checkpoint(hold, checkpoint));
        response->set_cancel_requested(cancelled);
        return absl::OkStatus();
      });
}

grpc::Status WorkerService::CompleteJob(grpc::ServerContext* context,
                                        const CompleteJobRequest* request,
                                        CompleteJobResponse* response) {
  return serve_held("CompleteJob", context, *request, [&](const LeaseHold& hold) -> absl::Status {
    std::vector<server::NewArtifact> artifacts;
    for (int i = 0; i < request->artifacts_size(); ++i) {
      ESPALIER_ASSIGN_OR_RETURN(
          auto artifact, read_artifact(request->artifacts(i), absl::StrCat("artifacts[", i, "]")));
      artifacts.push_back(std::move(artifact));
    }
    const bool first = desk_.store.check_lease(hold).ok();
    ESPALIER_ASSIGN_OR_RETURN(const auto names,
                              desk_.store.complete_job(hold, std::move(artifacts)));
    for (const std::string& name : names) response->add_artifacts(name);
    if (!first) return absl::OkStatus();  // the answer again
    desk_.measured.count_attempt("succeeded");
    if (auto job = desk_.store.job(hold.job); job.ok()) desk_.measured.observe_end(*job);
    desk_.blobs.discard_attempt(hold);
    spdlog::info("{} is SUCCEEDED", make_name(hold.job, "jobs"));
    desk_.notifier.notify();
    return absl::OkStatus();
  });
}

grpc::Status WorkerService::FailJob(grpc::ServerContext* context, const FailJobRequest* request,
                                    FailJobResponse*) {
  return serve_held("FailJob", context, *request, [&](const LeaseHold& hold) -> absl::Status {
    auto failure = request->failure();
    bound_texts(failure);
    ESPALIER_ASSIGN_OR_RETURN(const auto job,
                              desk_.store.fail_job(hold, failure, request->retryable()));
    const bool again = job.state() == espalier::v1::Job::STATE_QUEUED;
    const bool cancelled = job.state() == espalier::v1::Job::STATE_CANCELLED;
    desk_.measured.count_attempt(again ? "retried" : cancelled ? "cancelled" : "failed");
    desk_.measured.observe_end(job);
    desk_.blobs.discard_attempt(hold);
    spdlog::info("{} is {}: {} {}", job.name(), state_name(job.state()), failure.reason(),
                 failure.message());
    desk_.notifier.notify();
    return absl::OkStatus();
  });
}

grpc::Status WorkerService::ReleaseJob(grpc::ServerContext* context,
                                       const ReleaseJobRequest* request, ReleaseJobResponse*) {
  return serve_held("ReleaseJob", context, *request, [&](const LeaseHold& hold) -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(const auto job, desk_.store.release_job(hold));
    desk_.measured.count_attempt("released");
    desk_.blobs.discard_attempt(hold);
    spdlog::info("{} is {}: its worker gave it back", job.name(), state_name(job.state()));
    desk_.notifier.notify();
    return absl::OkStatus();
  });
}

}  // namespace espalier::server
