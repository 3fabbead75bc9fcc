#include "server/worker/job_runner.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "core/base/files.h"
#include "core/base/guard.h"
#include "core/base/status_macros.h"
#include "server/common/status.h"
#include "server/worker/failure.h"
#include "server/worker/prepare_job.h"
#include "server/worker/progress_reporter.h"
#include "server/worker/proto_json.h"
#include "server/worker/transfer.h"
#include "server/worker/verify.h"

namespace espalier::server {
namespace {

// Infrastructure between the job and the store: another attempt may help, whatever the code says.
absl::Status infrastructure(const absl::Status& status, const char* reason) {
  if (status.ok() || absl::IsCancelled(status) || absl::IsAborted(status)) return status;
  return with_reason(absl::UnavailableError(status.message()), reason);
}

}  // namespace

std::string JobRunner::run(const wire::Lease& lease) {
  std::string job = absl::StrReplaceAll(lease.token().job(), {{"/", "-"}});
  std::string folder = absl::StrCat(options_.jobs_folder, "/", job, "-", lease.token().fence());
  spdlog::info("leased {} (attempt {}{})", lease.token().job(), lease.job().attempt(),
               lease.checkpoint_files().empty() ? "" : ", from its checkpoint");
  metrics_.job_started();
  HeldLease::Options options = options_.lease;
  if (lease.lease_seconds() > 0) {
    options.heartbeat =
        std::min(options.heartbeat, std::chrono::duration<double>(lease.lease_seconds() / 3));
  }
  std::string outcome;
  {
    HeldLease held(client_, lease.token(), stop_, options);
    outcome = run_in(folder, lease, held);
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  metrics_.job_ended(outcome);
  spdlog::info("{}: {}", lease.token().job(), outcome);
  return outcome;
}

std::string JobRunner::run_in(const std::string& folder, const wire::Lease& lease,
                              HeldLease& held) {
  if (held.stopping()) return release(held);
  JobProgress last;
  auto output = compress(folder, lease, held, last);
  absl::Status status = output.status();
  if (output.ok()) status = publish(*output, held);
  if (held.lost()) return "lost";
  if (status.ok()) return "succeeded";
  if (held.cancelled()) return fail(held, absl::CancelledError("cancelled by a user"), last);
  // Whatever came in the way while the worker was told to stop is not the job's fault, unless it
  // is.
  if (held.stopping() && is_retryable(status)) return release(held);
  if (held.stopping() && absl::IsCancelled(status)) return release(held);
  return fail(held, status, last);
}

absl::StatusOr<JobOutput> JobRunner::compress(const std::string& folder, const wire::Lease& lease,
                                              HeldLease& held, JobProgress& last) {
  const std::string& other_class = lease.checkpoint_compute_class();
  if (!lease.checkpoint_files().empty() && other_class != options_.compute_class) {
    spdlog::warn(
        "the checkpoint was written on {}; this worker is {}: the result may differ in bits",
        other_class, options_.compute_class);
  }
  auto input = guard("preparing the job", [&] {
    return prepare_job(lease, folder, cache_,
                       [&](const std::string& sha256) { return blob_reader(held, sha256); });
  });
  if (!input.ok()) return infrastructure(input.status(), "DOWNLOAD_FAILED");

  input->cache_folder = options_.examples_folder;
  ProgressReporter reporter(held);
  CheckpointUploader uploader(held, cache_, metrics_, folder + "/snapshots",
                              options_.compute_class);
  JobHooks hooks;
  hooks.checkpoint_seconds = options_.checkpoint_seconds;
  hooks.cancelled = [&] { return held.cancelled() || held.lost(); };
  hooks.preempted = [&] { return held.stopping(); };
  hooks.checkpoint_written = [&] { return uploader.snapshot(input->checkpoint_folder); };
  hooks.log = [&](const std::string& line) { spdlog::info("{}: {}", lease.token().job(), line); };
  hooks.progress = [&](const JobProgress& progress) {
    last = progress;
    metrics_.progress(progress);
    reporter.report(progress);
  };
  auto output = guard("compress", [&] { return options_.compress(*input, hooks); });
  reporter.finish();
  // A job that ended needs no checkpoint; one that will be taken up again needs the last.
  if (!output.ok() && is_retryable(output.status()) && !held.lost() && !held.cancelled()) {
    uploader.flush().IgnoreError();  // it has been logged
  }
  return output;
}

absl::Status JobRunner::publish(const JobOutput& output, HeldLease& held) {
  auto abandon = [&] { return held.lost() || held.cancelled(); };
  wire::CompleteJobRequest request;
  for (const auto& artifact : output.artifacts) {
    auto files = upload_folder(held, artifact.folder, abandon);
    if (!files.ok()) return infrastructure(files.status(), "UPLOAD_FAILED");
    ESPALIER_RETURN_IF_ERROR(
        infrastructure(write_manifest(artifact.folder, *files), "UPLOAD_FAILED"));
    ESPALIER_RETURN_IF_ERROR(
        with_reason(options_.verify(artifact.folder, abandon), "VERIFICATION_FAILED"));
    auto* added = request.add_artifacts();
    added->mutable_files()->Assign(files->begin(), files->end());
    added->set_task(artifact.task);
    ESPALIER_RETURN_IF_ERROR(from_json(artifact.summary, *added->mutable_summary()));
  }
  auto response = held.call_patiently(&Stub::CompleteJob, std::move(request), abandon);
  if (!response.ok()) {
    // A cancellation may have won in this very moment: ask, so that the end has its right name.
    held.call(&Stub::Heartbeat, wire::HeartbeatRequest()).status().IgnoreError();
    return response.status();
  }
  for (const auto& name : response->artifacts()) spdlog::info("published {}", name);
  return absl::OkStatus();
}

std::string JobRunner::release(HeldLease& held) {
  auto response = held.call_patiently(&Stub::ReleaseJob, wire::ReleaseJobRequest());
  if (response.ok()) return "released";
  if (held.lost()) return "lost";
  spdlog::warn("{} could not be given back: {}", held.token().job(),
               response.status().ToString(absl::StatusToStringMode::kWithNoExtraData));
  return "unreported";
}

std::string JobRunner::fail(HeldLease& held, const absl::Status& status, const JobProgress& last) {
  wire::FailJobRequest request;
  *request.mutable_failure() = failure_of(status, last);
  request.set_retryable(is_retryable(status));
  spdlog::warn("{} ends in phase \"{}\", step {}: {}", held.token().job(), last.phase, last.step,
               status.ToString(absl::StatusToStringMode::kWithNoExtraData));
  auto response = held.call_patiently(&Stub::FailJob, std::move(request));
  if (response.ok()) return absl::IsCancelled(status) ? "cancelled" : "failed";
  if (held.lost()) return "lost";
  spdlog::warn("the end of {} could not be reported: {}", held.token().job(),
               response.status().ToString(absl::StatusToStringMode::kWithNoExtraData));
  return "unreported";
}

}  // namespace espalier::server
