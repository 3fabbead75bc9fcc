// Jobs as users see them.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status_macros.h"
#include "core/spec/recipe.h"
#include "server/common/status.h"
#include "server/control/sqlite/job_row.h"

namespace espalier::server {

using espalier::v1::Job;
using espalier::v1::JobEvent;

namespace {

absl::Status taken(const std::string& message) {
  return with_reason(absl::AlreadyExistsError(message), "ALREADY_EXISTS");
}

// READY, or which state it is in and what that means.
absl::Status need_ready(const absl::StatusOr<Resource>& resource, const std::string& field) {
  if (!resource.ok()) return with_reason(resource.status(), "NOT_FOUND", field);
  if (resource->state == ResourceState::kReady) return absl::OkStatus();
  return with_reason(
      absl::FailedPreconditionError(absl::StrCat(
          make_name(resource->key, collection_of(resource->kind)), " is ",
          state_name(resource->state), "; a job needs one that is READY",
          resource->state == ResourceState::kUploading ? " (finish its uploads first)" : "")),
      "NOT_READY", field);
}

}  // namespace

absl::Status SqliteJobStore::check_new_job(const Job& job, const Key& key, bool& blocked) {
  if (load_job(key).ok())
    return taken(absl::StrCat(job.name(), " exists already; take another id"));
  auto artifact = db_->query("SELECT 1 FROM artifacts WHERE project = ? AND id = ?", key.project,
                             job.artifact_id());
  if (artifact.step()) {
    return taken(absl::StrCat(make_name({key.project, job.artifact_id()}, "artifacts"),
                              " exists already; set artifact_id to a new one"));
  }
  auto rival = db_->query("SELECT id FROM jobs WHERE project = ? AND artifact = ? AND end_ms = 0",
                          key.project, job.artifact_id());
  if (rival.step()) {
    return taken(absl::StrCat(make_name({key.project, job.artifact_id()}, "artifacts"),
                              " is going to be published by job ", rival.text(0),
                              "; set artifact_id to a new one"));
  }
  ESPALIER_ASSIGN_OR_RETURN(const Key model, parse_name(job.model(), "models"));
  ESPALIER_RETURN_IF_ERROR(need_ready(load_resource(ResourceKind::kModel, model), "job.model"));
  if (!job.dataset().empty()) {
    ESPALIER_ASSIGN_OR_RETURN(const Key dataset, parse_name(job.dataset(), "datasets"));
    ESPALIER_RETURN_IF_ERROR(
        need_ready(load_resource(ResourceKind::kDataset, dataset), "job.dataset"));
  }
  for (const std::string& name : job.teachers()) {
    if (name == kOwnTeacher) continue;
    ESPALIER_ASSIGN_OR_RETURN(const Key teacher, parse_name(name, "models"));
    ESPALIER_RETURN_IF_ERROR(
        need_ready(load_resource(ResourceKind::kModel, teacher), "job.teachers"));
  }
  for (const std::string& name : job.after()) {
    ESPALIER_ASSIGN_OR_RETURN(const Key before, parse_name(name, "jobs"));
    auto row = load_job(before);
    if (!row.ok()) return with_reason(row.status(), "NOT_FOUND", "job.after");
    if (has_ended(row->state) && row->state != Job::STATE_SUCCEEDED) {
      return with_reason(absl::FailedPreconditionError(
                             absl::StrCat(name, " is ", state_name(row->state),
                                          "; a job can only run after one that succeeds")),
                         "DEPENDENCY_LOST", "job.after");
    }
    blocked |= row->state != Job::STATE_SUCCEEDED;
  }
  return absl::OkStatus();
}

absl::StatusOr<Job> SqliteJobStore::create_job(Job job, const Request& request, bool check_only) {
  return write("creating a job", [&]() -> absl::StatusOr<Job> {
    ESPALIER_ASSIGN_OR_RETURN(const Key key, parse_name(job.name(), "jobs"));
    ESPALIER_ASSIGN_OR_RETURN(auto known, repeated(key.project, "jobs", request));
    if (known) {
      ESPALIER_ASSIGN_OR_RETURN(JobRow row, load_job({key.project, *known}));
      return describe(row);
    }
    bool blocked = false;
    ESPALIER_RETURN_IF_ERROR(check_new_job(job, key, blocked));
    JobRow row;
    row.key = key;
    row.spec = job;
    row.state = blocked ? Job::STATE_BLOCKED : Job::STATE_QUEUED;
    row.create_ms = clock_.wall_ms();
    if (check_only) return describe(row);

    const auto& recipe = job.resolved_recipe().fields();
    auto pruner = recipe.find("pruner");
    std::string method = "none";
    if (pruner != recipe.end()) {
      const auto& fields = pruner->second.struct_value().fields();
      if (auto name = fields.find("name");
          name != fields.end() && !name->second.string_value().empty()) {
        method = name->second.string_value();
      }
    }
    db_->run(
        "INSERT INTO jobs (project, id, seq, spec, model, dataset, artifact, method, priority, "
        "create_ms, "
        "state) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        key.project, key.id, next_seq(), sqlite::Blob{job.SerializeAsString()}, job.model(),
        job.dataset(), job.artifact_id(), method, job.priority(), row.create_ms,
        static_cast<int>(row.state));
    for (const std::string& name : job.after()) {
      ESPALIER_ASSIGN_OR_RETURN(const Key before, parse_name(name, "jobs"));
      db_->run("INSERT OR IGNORE INTO job_after VALUES (?, ?, ?)", key.project, key.id, before.id);
    }
    for (const std::string& name : job.teachers()) {
      if (name == kOwnTeacher) continue;
      db_->run("INSERT OR IGNORE INTO job_teachers VALUES (?, ?, ?)", key.project, key.id, name);
    }
    remember(key, "jobs", request);
    add_event(row, "created", blocked ? "submitted; waits for other jobs" : "submitted");
    save_job(row);
    return describe(row);
  });
}

absl::StatusOr<Job> SqliteJobStore::job(const Key& key) {
  return read("reading a job", [&]() -> absl::StatusOr<Job> {
    ESPALIER_ASSIGN_OR_RETURN(JobRow row, load_job(key));
    return describe(row);
  });
}

absl::StatusOr<Page<Job>> SqliteJobStore::jobs(const JobQuery& query) {
  return read("listing jobs", [&]() -> absl::StatusOr<Page<Job>> {
    // Numbers of an enum, not text of a user: safe inside the statement.
    const std::string states =
        query.states.empty()
            ? ""
            : absl::StrCat("AND state IN (",
                           absl::StrJoin(query.states, ",",
                                         [](std::string* out, JobState state) {
                                           out->append(std::to_string(static_cast<int>(state)));
                                         }),
                           ") ");
    const std::string sql = absl::StrCat(
        "SELECT " ESPALIER_JOB_COLUMNS "FROM jobs WHERE project = ?1 AND (?2 = 0 OR seq ",
        query.oldest_first ? ">" : "<", " ?2) ", states, "ORDER BY seq ",
        query.oldest_first ? "ASC" : "DESC", " LIMIT ?3");
    const auto rows =
        load_jobs(db_->query(sql.c_str(), query.project, query.after, query.rows + 1));
    Page<Job> page;
    size_t bytes = 0;
    int64_t last = 0;
    for (const JobRow& row : rows) {
      Job one = describe(row);
      bytes += one.ByteSizeLong();
      if (is_full(page, query, bytes)) {
        page.next = last;
        break;
      }
      page.rows.push_back(std::move(one));
      last = row.seq;
    }
    return page;
  });
}

absl::StatusOr<Job> SqliteJobStore::cancel_job(const Key& key) {
  return write("cancelling a job", [&]() -> absl::StatusOr<Job> {
    ESPALIER_ASSIGN_OR_RETURN(JobRow row, load_job(key));
    const bool repeated = row.state == Job::STATE_CANCELLING || row.state == Job::STATE_CANCELLED;
    if (!repeated) {
      ESPALIER_RETURN_IF_ERROR(change(row, JobChange::kCancel, "cancelled", "cancelled by a user"));
    }
    return describe(row);
  });
}

absl::Status SqliteJobStore::delete_job(const Key& key) {
  return write("deleting a job", [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(JobRow row, load_job(key));
    if (!has_ended(row.state)) {
      return with_reason(
          absl::FailedPreconditionError(absl::StrCat(make_name(key, "jobs"), " is ",
                                                     state_name(row.state), "; cancel it first")),
          "WRONG_STATE");
    }
    for (const char* sql : {"DELETE FROM job_events WHERE project = ? AND job = ?",
                            "DELETE FROM job_progress WHERE project = ? AND job = ?",
                            "DELETE FROM checkpoint_files WHERE project = ? AND job = ?",
                            "DELETE FROM job_after WHERE project = ? AND job = ?",
                            "DELETE FROM job_teachers WHERE project = ? AND job = ?",
                            "DELETE FROM jobs WHERE project = ? AND id = ?"}) {
      db_->run(sql, key.project, key.id);
    }
    forget(key, "jobs");
    return absl::OkStatus();
  });
}

absl::StatusOr<std::vector<JobEvent>> SqliteJobStore::events(const Key& key, uint64_t after_seq,
                                                             int limit) {
  return read("reading events", [&]() -> absl::StatusOr<std::vector<JobEvent>> {
    ESPALIER_RETURN_IF_ERROR(load_job(key).status());
    std::vector<JobEvent> found;
    auto rows = db_->query(
        "SELECT body FROM job_events WHERE project = ? AND job = ? AND seq > ? ORDER BY seq LIMIT "
        "?",
        key.project, key.id, static_cast<int64_t>(std::min<uint64_t>(after_seq, INT64_MAX)), limit);
    while (rows.step()) found.emplace_back().ParseFromString(rows.text(0));
    return found;
  });
}

absl::StatusOr<std::vector<JobCount>> SqliteJobStore::job_counts() {
  return read("counting jobs", [&]() -> absl::StatusOr<std::vector<JobCount>> {
    std::vector<JobCount> counts;
    auto rows = db_->query("SELECT state, method, count(*) FROM jobs GROUP BY state, method");
    while (rows.step()) {
      counts.push_back({static_cast<JobState>(rows.integer(0)), rows.text(1), rows.integer(2)});
    }
    return counts;
  });
}

}  // namespace espalier::server
