// What time does to jobs.
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/control/sqlite/job_row.h"

namespace espalier::server {

using espalier::v1::Job;

absl::Status SqliteJobStore::begin_epoch() {
  return write("starting the lease clock", [&] {
    // The steady clock may have started anew, so no time of before means anything.
    db_->run("UPDATE jobs SET expires_ms = ?, not_before_ms = 0 WHERE end_ms = 0",
             clock_.steady_ms() + rules_.lease_ms);
    return absl::OkStatus();
  });
}

absl::StatusOr<SweepResult> SqliteJobStore::sweep() {
  return write("sweeping leases", [&]() -> absl::StatusOr<SweepResult> {
    SweepResult result;
    auto rows = load_jobs(db_->query("SELECT " ESPALIER_JOB_COLUMNS
                                     "FROM jobs WHERE state IN (?, ?) AND expires_ms <= ?",
                                     static_cast<int>(Job::STATE_RUNNING),
                                     static_cast<int>(Job::STATE_CANCELLING), clock_.steady_ms()));
    for (JobRow& row : rows) {
      if (row.state == Job::STATE_CANCELLING) {
        ++result.expired;
        ++result.cancelled;
        ESPALIER_RETURN_IF_ERROR(change(row, JobChange::kStopped, "stopped", "its worker is gone"));
      } else if (row.attempt >= rules_.max_attempts) {
        ++result.expired;
        ++result.lost;
        espalier::v1::Failure failure;
        failure.set_reason("WORKER_LOST");
        failure.set_message(absl::StrCat("worker ", row.worker, " was not heard of for ",
                                         rules_.lease_ms / 1000, " s in attempt ", row.attempt,
                                         " of ", rules_.max_attempts));
        row.failure = failure.SerializeAsString();
        ESPALIER_RETURN_IF_ERROR(change(row, JobChange::kWorkerLost, "failed", failure.message()));
      } else if (row.state_reason != kLeaseExpired) {
        // It stays RUNNING: the worker may yet come back, until another one claims the job.
        ++result.expired;
        row.state_reason = kLeaseExpired;
        add_event(row, "lease_expired",
                  absl::StrCat("worker ", row.worker, " is silent; the next free worker goes on"));
        save_job(row);
      }
    }
    return result;
  });
}

absl::StatusOr<std::vector<Job>> SqliteJobStore::queued_jobs() {
  return read("listing queued jobs", [&]() -> absl::StatusOr<std::vector<Job>> {
    std::vector<Job> jobs;
    for (const JobRow& row :
         load_jobs(db_->query("SELECT " ESPALIER_JOB_COLUMNS "FROM jobs WHERE state = ?",
                              static_cast<int>(Job::STATE_QUEUED)))) {
      jobs.push_back(describe(row));
    }
    return jobs;
  });
}

absl::Status SqliteJobStore::set_waiting_reason(const Key& key, const std::string& reason) {
  return write("noting why a job waits", [&] {
    db_->run("UPDATE jobs SET state_reason = ? WHERE project = ? AND id = ? AND state = ?", reason,
             key.project, key.id, static_cast<int>(Job::STATE_QUEUED));
    return absl::OkStatus();
  });
}

}  // namespace espalier::server
