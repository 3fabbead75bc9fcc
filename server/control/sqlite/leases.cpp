// Leases: claims, and every write that a worker makes under one.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/spec/recipe.h"
#include "server/common/status.h"
#include "server/control/matching.h"
#include "server/control/sqlite/job_row.h"

namespace espalier::server {

using espalier::v1::Job;
using espalier::v1::Progress;
using espalier::worker::v1::WorkerInfo;

absl::StatusOr<std::optional<Claim>> SqliteJobStore::claim(const WorkerInfo& worker) {
  return write("claiming a job", [&]() -> absl::StatusOr<std::optional<Claim>> {
    const int64_t now = clock_.steady_ms();
    // A worker that asks for work holds none: what it held before it died or its answer got lost is
    // free again, at the price of an attempt. Names first, whole rows one by one: nearly always the
    // first one fits.
    auto names = db_->query(
        "SELECT project, id FROM jobs WHERE (state = ?1 AND not_before_ms <= ?3) OR "
        "(state = ?2 AND (worker = ?5 OR expires_ms <= ?3) AND attempt < ?4) "
        "ORDER BY priority DESC, seq",
        static_cast<int>(Job::STATE_QUEUED), static_cast<int>(Job::STATE_RUNNING), now,
        rules_.max_attempts, worker.id());
    std::optional<JobRow> found;
    while (!found && names.step()) {
      ESPALIER_ASSIGN_OR_RETURN(JobRow one, load_job({names.text(0), names.text(1)}));
      if (mismatch(one.spec, one.checkpoint_format, worker).empty()) found = std::move(one);
    }
    if (!found) return std::nullopt;

    JobRow& row = *found;
    ++row.fence;
    ++row.attempt;
    row.worker = worker.id();
    row.worker_format = static_cast<int>(worker.checkpoint_format());
    row.expires_ms = now + rules_.lease_ms;
    if (row.start_ms == 0) row.start_ms = clock_.wall_ms();
    ESPALIER_RETURN_IF_ERROR(
        change(row, JobChange::kLease, "leased",
               absl::StrCat("attempt ", row.attempt, " starts on ", worker.id())));

    Claim claim{describe(row), row.fence};
    ESPALIER_ASSIGN_OR_RETURN(const Key model, parse_name(row.spec.model(), "models"));
    ESPALIER_ASSIGN_OR_RETURN(claim.model, load_resource(ResourceKind::kModel, model));
    if (!row.spec.dataset().empty()) {
      ESPALIER_ASSIGN_OR_RETURN(const Key dataset, parse_name(row.spec.dataset(), "datasets"));
      ESPALIER_ASSIGN_OR_RETURN(claim.dataset, load_resource(ResourceKind::kDataset, dataset));
    }
    for (const std::string& name : row.spec.teachers()) {
      if (name == kOwnTeacher) continue;
      ESPALIER_ASSIGN_OR_RETURN(const Key teacher, parse_name(name, "models"));
      ESPALIER_ASSIGN_OR_RETURN(Resource one, load_resource(ResourceKind::kModel, teacher));
      claim.teachers.push_back(std::move(one));
    }
    claim.checkpoint = load_checkpoint(row);
    return claim;
  });
}

absl::StatusOr<SqliteJobStore::JobRow> SqliteJobStore::held(const LeaseHold& hold) {
  auto row = load_job(hold.job);
  if (!row.ok() || row->fence != hold.fence ||
      (row->worker != hold.worker && !row->worker.empty())) {
    return with_reason(
        absl::AbortedError(absl::StrCat("lease ", hold.fence, " of ", make_name(hold.job, "jobs"),
                                        " is not the job's lease any more",
                                        row.ok() ? absl::StrCat(" (that is ", row->fence, ")") : "",
                                        "; stop working on it")),
        "STALE_FENCE");
  }
  if (row->state != Job::STATE_RUNNING && row->state != Job::STATE_CANCELLING) {
    return with_reason(
        absl::AbortedError(absl::StrCat(make_name(hold.job, "jobs"), " is ", state_name(row->state),
                                        "; stop working on it")),
        "NOT_RUNNING");
  }
  return row;
}

absl::Status SqliteJobStore::check_lease(const LeaseHold& hold) {
  return read("checking a lease", [&] { return held(hold).status(); });
}

absl::StatusOr<bool> SqliteJobStore::heartbeat(const LeaseHold& hold) {
  return write("renewing a lease", [&]() -> absl::StatusOr<bool> {
    ESPALIER_ASSIGN_OR_RETURN(JobRow row, held(hold));
    // Good even past expiry: nobody else has claimed it.
    row.expires_ms = clock_.steady_ms() + rules_.lease_ms;
    if (row.state_reason == kLeaseExpired) row.state_reason.clear();
    save_job(row);
    return row.state == Job::STATE_CANCELLING;
  });
}

absl::StatusOr<bool> SqliteJobStore::report_progress(const LeaseHold& hold,
                                                     const Progress& progress,
                                                     const std::string& event_kind,
                                                     const std::string& message) {
  return write("recording progress", [&]() -> absl::StatusOr<bool> {
    ESPALIER_ASSIGN_OR_RETURN(JobRow row, held(hold));
    db_->run(
        "INSERT INTO job_progress VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body",
        row.key.project, row.key.id, sqlite::Blob{progress.SerializeAsString()});
    if (!event_kind.empty()) {
      add_event(row, event_kind, message, &progress);
      save_job(row);
    }
    return row.state == Job::STATE_CANCELLING;
  });
}

Checkpoint SqliteJobStore::load_checkpoint(const JobRow& row) {
  Checkpoint checkpoint{{}, row.checkpoint_class, row.checkpoint_format};
  auto files = db_->query(
      "SELECT path, size, sha256 FROM checkpoint_files WHERE project = ? AND job = ? ORDER BY path",
      row.key.project, row.key.id);
  while (files.step()) {
    checkpoint.files.push_back(
        {files.text(0), static_cast<uint64_t>(files.integer(1)), files.text(2), ""});
  }
  return checkpoint;
}

absl::StatusOr<bool> SqliteJobStore::commit_checkpoint(const LeaseHold& hold,
                                                       const Checkpoint& checkpoint) {
  return write("committing a checkpoint", [&]() -> absl::StatusOr<bool> {
    ESPALIER_ASSIGN_OR_RETURN(JobRow row, held(hold));
    ESPALIER_RETURN_IF_ERROR(need_blobs(row.key.project, checkpoint.files));
    db_->run("DELETE FROM checkpoint_files WHERE project = ? AND job = ?", row.key.project,
             row.key.id);
    for (const StoredFile& file : checkpoint.files) {
      db_->run("INSERT INTO checkpoint_files VALUES (?, ?, ?, ?, ?)", row.key.project, row.key.id,
               file.path, file.size, file.sha256);
    }
    row.checkpoint_class = checkpoint.compute_class;
    row.checkpoint_format = row.worker_format;
    save_job(row);
    return row.state == Job::STATE_CANCELLING;
  });
}

absl::Status SqliteJobStore::check_read(const LeaseHold& hold, const std::string& sha256) {
  return read("checking a read", [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(JobRow row, held(hold));
    std::vector<std::pair<ResourceKind, std::string>> read = {
        {ResourceKind::kModel, row.spec.model()}, {ResourceKind::kDataset, row.spec.dataset()}};
    for (const std::string& name : row.spec.teachers())
      read.emplace_back(ResourceKind::kModel, name);
    for (const auto& [kind, name] : read) {
      if (name.empty() || name == kOwnTeacher) continue;
      ESPALIER_ASSIGN_OR_RETURN(const Key key, parse_name(name, collection_of(kind)));
      auto file = db_->query(
          "SELECT 1 FROM resource_files WHERE project = ? AND kind = ? AND id = ? AND sha256 = ?",
          key.project, kind, key.id, sha256);
      if (file.step()) return absl::OkStatus();
    }
    auto file =
        db_->query("SELECT 1 FROM checkpoint_files WHERE project = ? AND job = ? AND sha256 = ?",
                   row.key.project, row.key.id, sha256);
    if (file.step()) return absl::OkStatus();
    return with_reason(
        absl::PermissionDeniedError(absl::StrCat("the lease of ", make_name(hold.job, "jobs"),
                                                 " names no file with sha256 ", sha256)),
        "NOT_IN_LEASE");
  });
}

absl::StatusOr<Job> SqliteJobStore::fail_job(const LeaseHold& hold,
                                             const espalier::v1::Failure& failure, bool retryable) {
  return write("failing a job", [&]() -> absl::StatusOr<Job> {
    ESPALIER_ASSIGN_OR_RETURN(JobRow row, held(hold));
    const std::string said = absl::StrCat(failure.reason(), ": ", failure.message());
    if (row.state == Job::STATE_CANCELLING) {
      ESPALIER_RETURN_IF_ERROR(
          change(row, JobChange::kStopped, "stopped", "the worker has stopped"));
    } else if (retryable && row.attempt < rules_.max_attempts) {
      row.not_before_ms = clock_.steady_ms() + (rules_.backoff_ms << (row.attempt - 1));
      ESPALIER_RETURN_IF_ERROR(change(
          row, JobChange::kRetry, "retry",
          absl::StrCat("attempt ", row.attempt, " of ", rules_.max_attempts, " failed: ", said)));
    } else {
      row.failure = failure.SerializeAsString();
      ESPALIER_RETURN_IF_ERROR(change(row, JobChange::kFail, "failed", said));
    }
    return describe(row);
  });
}

absl::StatusOr<Job> SqliteJobStore::release_job(const LeaseHold& hold) {
  return write("releasing a job", [&]() -> absl::StatusOr<Job> {
    ESPALIER_ASSIGN_OR_RETURN(JobRow row, held(hold));
    if (row.state == Job::STATE_CANCELLING) {
      ESPALIER_RETURN_IF_ERROR(
          change(row, JobChange::kStopped, "stopped", "the worker has stopped"));
    } else {
      row.attempt = std::max(0, row.attempt - 1);
      ESPALIER_RETURN_IF_ERROR(change(row, JobChange::kRelease, "released",
                                      "the worker gave it back; it goes on where it stood"));
    }
    return describe(row);
  });
}

}  // namespace espalier::server
