// Publishing, and what is published.
#include <google/protobuf/util/time_util.h>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/common/status.h"
#include "server/control/sqlite/job_row.h"

namespace espalier::server {

using espalier::v1::Artifact;
using espalier::v1::Job;
using google::protobuf::util::TimeUtil;

std::vector<std::string> SqliteJobStore::artifacts_of(const JobRow& job) {
  std::vector<std::string> names;
  // What is older than the job is of a deleted one that had its name.
  auto rows =
      db_->query("SELECT id FROM artifacts WHERE project = ? AND job = ? AND seq > ? ORDER BY seq",
                 job.key.project, job.key.id, job.seq);
  while (rows.step()) names.push_back(make_name({job.key.project, rows.text(0)}, "artifacts"));
  return names;
}

absl::StatusOr<std::vector<std::string>> SqliteJobStore::complete_job(
    const LeaseHold& hold, std::vector<NewArtifact> artifacts) {
  return write("completing a job", [&]() -> absl::StatusOr<std::vector<std::string>> {
    auto row = held(hold);
    if (!row.ok()) {
      // The answer to the first call may have got lost: say it again.
      auto ended = load_job(hold.job);
      if (ended.ok() && ended->state == Job::STATE_SUCCEEDED && ended->fence == hold.fence) {
        return artifacts_of(*ended);
      }
      return row.status();
    }
    if (row->state == Job::STATE_CANCELLING) {
      return with_reason(absl::AbortedError(absl::StrCat(make_name(hold.job, "jobs"),
                                                         " was cancelled before it was complete")),
                         "CANCELLED");
    }
    const std::string& project = row->key.project;
    int number = 0;
    for (NewArtifact& artifact : artifacts) {
      ESPALIER_RETURN_IF_ERROR(need_blobs(project, artifact.files));
      std::string id;
      do {  // numbers that are taken are passed over: the work of a job is not to be lost for a
            // name
        ++number;
        id = number == 1 ? row->spec.artifact_id()
                         : absl::StrCat(row->spec.artifact_id(), "-", number);
      } while (
          db_->query("SELECT 1 FROM artifacts WHERE project = ? AND id = ?", project, id).step());
      artifact.body.set_name(make_name({project, id}, "artifacts"));
      artifact.body.set_job(row->spec.name());
      *artifact.body.mutable_labels() = row->spec.labels();
      *artifact.body.mutable_create_time() = TimeUtil::MillisecondsToTimestamp(clock_.wall_ms());
      for (const StoredFile& file : artifact.files) {
        db_->run("INSERT INTO artifact_files VALUES (?, ?, ?, ?, ?)", project, id, file.path,
                 file.size, file.sha256);
      }
      db_->run("INSERT INTO artifacts VALUES (?, ?, ?, ?, ?, ?)", project, id, next_seq(),
               row->key.id, hold.fence, sqlite::Blob{artifact.body.SerializeAsString()});
    }
    ESPALIER_RETURN_IF_ERROR(change(*row, JobChange::kComplete, "succeeded",
                                    absl::StrCat("published ", artifacts.size(), " artifact",
                                                 artifacts.size() == 1 ? "" : "s")));
    return artifacts_of(*row);
  });
}

// Columns: id, body.
Artifact SqliteJobStore::load_artifact(sqlite::Statement& row, const std::string& project) {
  Artifact artifact;
  artifact.ParseFromString(row.text(1));
  auto files = db_->query(
      "SELECT path, size, sha256 FROM artifact_files WHERE project = ? AND artifact = ? ORDER BY "
      "path",
      project, row.text(0));
  while (files.step()) {
    auto& file = *artifact.add_files();
    file.set_path(files.text(0));
    file.set_size(static_cast<uint64_t>(files.integer(1)));
    file.set_sha256(files.text(2));
  }
  return artifact;
}

absl::StatusOr<Artifact> SqliteJobStore::artifact(const Key& key) {
  return read("reading an artifact", [&]() -> absl::StatusOr<Artifact> {
    auto row = db_->query("SELECT id, body FROM artifacts WHERE project = ? AND id = ?",
                          key.project, key.id);
    if (row.step()) return load_artifact(row, key.project);
    return no_such(key, "artifacts");
  });
}

absl::StatusOr<Page<Artifact>> SqliteJobStore::artifacts(const PageQuery& query) {
  return read("listing artifacts", [&]() -> absl::StatusOr<Page<Artifact>> {
    Page<Artifact> page;
    auto rows = db_->query(
        "SELECT id, body, seq FROM artifacts WHERE project = ?1 AND (?2 = 0 OR seq < ?2) "
        "ORDER BY seq DESC LIMIT ?3",
        query.project, query.after, query.rows + 1);
    size_t bytes = 0;
    int64_t last = 0;
    while (rows.step()) {
      Artifact one = load_artifact(rows, query.project);
      bytes += one.ByteSizeLong();
      if (is_full(page, query, bytes)) {
        page.next = last;
        break;
      }
      page.rows.push_back(std::move(one));
      last = rows.integer(2);
    }
    return page;
  });
}

absl::Status SqliteJobStore::delete_artifact(const Key& key) {
  return write("deleting an artifact", [&]() -> absl::Status {
    auto route = db_->query(
        "SELECT endpoint FROM endpoint_routes WHERE project = ? AND artifact = ? LIMIT 1",
        key.project, key.id);
    if (route.step()) {
      return with_reason(absl::FailedPreconditionError(
                             absl::StrCat(make_name(key, "artifacts"), " is served by endpoint ",
                                          route.text(0), "; change or delete that first")),
                         "IN_USE");
    }
    if (db_->run("DELETE FROM artifacts WHERE project = ? AND id = ?", key.project, key.id) == 0) {
      return no_such(key, "artifacts");
    }
    db_->run("DELETE FROM artifact_files WHERE project = ? AND artifact = ?", key.project, key.id);
    return absl::OkStatus();
  });
}

}  // namespace espalier::server
