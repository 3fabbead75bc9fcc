// How a job's row is read, written, described and moved along the transition table.
#include <google/protobuf/util/time_util.h>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/common/status.h"
#include "server/control/sqlite/job_row.h"

namespace espalier::server {

using espalier::v1::Job;
using espalier::v1::JobEvent;
using espalier::v1::Progress;
using google::protobuf::util::TimeUtil;

std::vector<SqliteJobStore::JobRow> SqliteJobStore::load_jobs(sqlite::Statement rows) {
  std::vector<JobRow> found;
  while (rows.step()) {
    JobRow& row = found.emplace_back();
    row.key = {rows.text(0), rows.text(1)};
    row.seq = rows.integer(2);
    row.spec.ParseFromString(rows.text(3));
    row.create_ms = rows.integer(4);
    row.state = static_cast<JobState>(rows.integer(5));
    row.state_reason = rows.text(6);
    row.failure = rows.text(7);
    row.attempt = static_cast<int>(rows.integer(8));
    row.fence = static_cast<uint64_t>(rows.integer(9));
    row.worker = rows.text(10);
    row.expires_ms = rows.integer(11);
    row.not_before_ms = rows.integer(12);
    row.start_ms = rows.integer(13);
    row.end_ms = rows.integer(14);
    row.event_seq = rows.integer(15);
    row.checkpoint_class = rows.text(16);
    row.checkpoint_format = static_cast<int>(rows.integer(17));
    row.worker_format = static_cast<int>(rows.integer(18));
  }
  return found;
}

absl::StatusOr<SqliteJobStore::JobRow> SqliteJobStore::load_job(const Key& key) {
  auto rows =
      load_jobs(db_->query("SELECT " ESPALIER_JOB_COLUMNS "FROM jobs WHERE project = ? AND id = ?",
                           key.project, key.id));
  if (rows.empty()) return no_such(key, "jobs");
  return std::move(rows.front());
}

void SqliteJobStore::save_job(const JobRow& row) {
  db_->run(
      "UPDATE jobs SET state = ?, state_reason = ?, failure = ?, attempt = ?, fence = ?, worker = "
      "?, "
      "expires_ms = ?, not_before_ms = ?, start_ms = ?, end_ms = ?, event_seq = ?, "
      "checkpoint_class = ?, "
      "checkpoint_format = ?, worker_format = ? WHERE project = ? AND id = ?",
      row.state, row.state_reason, sqlite::Blob{row.failure}, row.attempt, row.fence, row.worker,
      row.expires_ms, row.not_before_ms, row.start_ms, row.end_ms, row.event_seq,
      row.checkpoint_class, row.checkpoint_format, row.worker_format, row.key.project, row.key.id);
}

Job SqliteJobStore::describe(const JobRow& row) {
  Job job = row.spec;
  job.set_state(row.state);
  job.set_state_reason(row.state_reason);
  if (!row.failure.empty()) job.mutable_failure()->ParseFromString(row.failure);
  job.set_attempt(row.attempt);
  job.set_worker(row.worker);
  *job.mutable_create_time() = TimeUtil::MillisecondsToTimestamp(row.create_ms);
  if (row.start_ms > 0) *job.mutable_start_time() = TimeUtil::MillisecondsToTimestamp(row.start_ms);
  if (row.end_ms > 0) *job.mutable_end_time() = TimeUtil::MillisecondsToTimestamp(row.end_ms);
  auto progress = db_->query("SELECT body FROM job_progress WHERE project = ? AND job = ?",
                             row.key.project, row.key.id);
  if (progress.step()) job.mutable_progress()->ParseFromString(progress.text(0));
  if (row.state == Job::STATE_SUCCEEDED) {
    for (std::string& name : artifacts_of(row)) job.add_artifacts(std::move(name));
  }
  return job;
}

void SqliteJobStore::add_event(JobRow& row, const std::string& kind, const std::string& message,
                               const Progress* progress) {
  JobEvent event;
  event.set_seq(++row.event_seq);
  *event.mutable_time() = TimeUtil::MillisecondsToTimestamp(clock_.wall_ms());
  event.set_state(row.state);
  event.set_kind(kind);
  event.set_message(message);
  if (progress != nullptr) *event.mutable_progress() = *progress;
  db_->run("INSERT INTO job_events VALUES (?, ?, ?, ?)", row.key.project, row.key.id, row.event_seq,
           sqlite::Blob{event.SerializeAsString()});
}

absl::Status SqliteJobStore::change(JobRow& row, JobChange what, const std::string& event,
                                    const std::string& message) {
  ESPALIER_RETURN_IF_ERROR(move_job(row, what, event, message));
  if (has_ended(row.state)) settle_dependents(row);
  return absl::OkStatus();
}

absl::Status SqliteJobStore::move_job(JobRow& row, JobChange what, const std::string& event,
                                      const std::string& message) {
  const auto next = next_state(row.state, what);
  if (!next) {
    return with_reason(absl::FailedPreconditionError(
                           absl::StrCat(make_name(row.key, "jobs"), " is ", state_name(row.state),
                                        ": ", message, " is not possible any more")),
                       "WRONG_STATE");
  }
  row.state = *next;
  row.state_reason.clear();
  if (row.state == Job::STATE_QUEUED) row.worker.clear();
  if (has_ended(row.state)) {
    row.end_ms = clock_.wall_ms();
    row.worker.clear();
    // A checkpoint is of no use any more: its blobs become garbage.
    db_->run("DELETE FROM checkpoint_files WHERE project = ? AND job = ?", row.key.project,
             row.key.id);
  }
  add_event(row, event, message);
  save_job(row);
  return absl::OkStatus();
}

void SqliteJobStore::settle_dependents(const JobRow& first) {
  // A list and no recursion: chains are as long as users make them.
  std::vector<JobRow> work{first};
  while (!work.empty()) {
    const JobRow ended = std::move(work.back());
    work.pop_back();
    auto waiting = load_jobs(db_->query(
        "SELECT " ESPALIER_JOB_COLUMNS
        "FROM (SELECT job FROM job_after WHERE project = ?1 AND after = ?3) CROSS JOIN jobs "
        "WHERE project = ?1 AND id = job AND state = ?2 ORDER BY seq",
        ended.key.project, static_cast<int>(Job::STATE_BLOCKED), ended.key.id));
    for (JobRow& row : waiting) {
      if (ended.state == Job::STATE_SUCCEEDED) {
        auto open = db_->query(
            "SELECT 1 FROM job_after a JOIN jobs j ON j.project = a.project AND j.id = a.after "
            "WHERE a.project = ? AND a.job = ? AND j.state <> ? LIMIT 1",
            row.key.project, row.key.id, static_cast<int>(Job::STATE_SUCCEEDED));
        if (open.step()) continue;
        throw_if_error(move_job(row, JobChange::kUnblock, "unblocked",
                                "the jobs it waited for have succeeded"));
      } else {
        espalier::v1::Failure failure;
        failure.set_reason("DEPENDENCY_LOST");
        failure.set_message(absl::StrCat("it was to run after ", make_name(ended.key, "jobs"),
                                         ", which is ", state_name(ended.state)));
        row.failure = failure.SerializeAsString();
        throw_if_error(move_job(row, JobChange::kDependencyLost, "failed", failure.message()));
        work.push_back(std::move(row));
      }
    }
  }
}

}  // namespace espalier::server
