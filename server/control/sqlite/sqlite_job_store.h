// JobStore over one SQLite file, for one espalierd. One connection behind one mutex: a call is a
// few statements, and every write waits for the disk anyway.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/guard.h"
#include "server/control/clock.h"
#include "server/control/job_store.h"
#include "server/control/sqlite/database.h"

namespace espalier::server {

struct SqliteOptions {
  std::string path;
  LeaseRules rules;
  bool durable = true;  // false: no fsync, for tests
};

class SqliteJobStore : public JobStore {
 public:
  // FAILED_PRECONDITION when another process has the file. `clock` must outlive the store.
  static absl::StatusOr<std::unique_ptr<SqliteJobStore>> open(const SqliteOptions& options,
                                                              const Clock& clock);

  absl::StatusOr<Resource> create_resource(Resource resource, const Request& request) override;
  absl::StatusOr<Resource> resource(ResourceKind kind, const Key& key) override;
  absl::StatusOr<Page<Resource>> resources(ResourceKind kind, const PageQuery& query) override;
  absl::Status delete_resource(ResourceKind kind, const Key& key) override;
  absl::Status settle_resource(const Resource& checked, ResourceState state,
                               const std::string& body) override;
  absl::StatusOr<std::vector<Resource>> resources_to_validate() override;

  absl::StatusOr<UploadRow> upload(const Key& key) override;
  absl::StatusOr<std::optional<Resource>> finish_upload(const Key& key) override;
  absl::Status add_blob(const std::string& project, const StoredFile& blob) override;
  absl::StatusOr<uint64_t> blob_size(const std::string& project,
                                     const std::string& sha256) override;
  absl::StatusOr<std::vector<BlobRow>> forget_blobs(int64_t before_ms) override;

  absl::StatusOr<espalier::v1::Job> create_job(espalier::v1::Job job, const Request& request,
                                               bool check_only) override;
  absl::StatusOr<espalier::v1::Job> job(const Key& key) override;
  absl::StatusOr<Page<espalier::v1::Job>> jobs(const JobQuery& query) override;
  absl::StatusOr<espalier::v1::Job> cancel_job(const Key& key) override;
  absl::Status delete_job(const Key& key) override;
  absl::StatusOr<std::vector<espalier::v1::JobEvent>> events(const Key& key, uint64_t after_seq,
                                                             int limit) override;
  absl::StatusOr<std::vector<JobCount>> job_counts() override;

  absl::StatusOr<std::optional<Claim>> claim(
      const espalier::worker::v1::WorkerInfo& worker) override;
  absl::StatusOr<bool> heartbeat(const LeaseHold& hold) override;
  absl::StatusOr<bool> report_progress(const LeaseHold& hold,
                                       const espalier::v1::Progress& progress,
                                       const std::string& event_kind,
                                       const std::string& message) override;
  absl::StatusOr<bool> commit_checkpoint(const LeaseHold& hold,
                                         const Checkpoint& checkpoint) override;
  absl::Status check_lease(const LeaseHold& hold) override;
  absl::Status check_read(const LeaseHold& hold, const std::string& sha256) override;
  absl::StatusOr<std::vector<std::string>> complete_job(
      const LeaseHold& hold, std::vector<NewArtifact> artifacts) override;
  absl::StatusOr<espalier::v1::Job> fail_job(const LeaseHold& hold,
                                             const espalier::v1::Failure& failure,
                                             bool retryable) override;
  absl::StatusOr<espalier::v1::Job> release_job(const LeaseHold& hold) override;

  absl::Status begin_epoch() override;
  absl::StatusOr<SweepResult> sweep() override;
  absl::StatusOr<std::vector<espalier::v1::Job>> queued_jobs() override;
  absl::Status set_waiting_reason(const Key& key, const std::string& reason) override;

  absl::StatusOr<espalier::v1::Artifact> artifact(const Key& key) override;
  absl::StatusOr<Page<espalier::v1::Artifact>> artifacts(const PageQuery& query) override;
  absl::Status delete_artifact(const Key& key) override;
  absl::StatusOr<espalier::v1::Endpoint> set_endpoint(espalier::v1::Endpoint endpoint,
                                                      bool check_only) override;
  absl::StatusOr<espalier::v1::Endpoint> endpoint(const Key& key) override;
  absl::StatusOr<Page<espalier::v1::Endpoint>> endpoints(const PageQuery& query) override;
  absl::Status delete_endpoint(const Key& key) override;

 private:
  struct JobRow;  // sqlite/job_row.h

  // Bodies of one page: well below the 4 MiB of a gRPC message.
  static constexpr size_t kPageBytes = 2 << 20;
  // Whether a page ends before a row with which it would hold so many bytes; one row always fits.
  template <class T>
  static bool is_full(const Page<T>& page, const PageQuery& query, size_t bytes) {
    return static_cast<int>(page.rows.size()) == query.rows ||
           (!page.rows.empty() && bytes > kPageBytes);
  }

  SqliteJobStore(LeaseRules rules, const Clock& clock) : rules_(rules), clock_(clock) {}

  // Runs `function` alone, in a transaction that commits when its result is OK.
  template <class F>
  auto write(const char* what, F&& function) {
    return guard(what, [&] {
      std::lock_guard lock(mutex_);
      sqlite::Transaction transaction(*db_);
      auto result = function();
      if (result.ok()) transaction.commit();
      return result;
    });
  }
  template <class F>
  auto read(const char* what, F&& function) {
    return guard(what, [&] {
      std::lock_guard lock(mutex_);
      return function();
    });
  }

  // The rest runs inside read() or write() and throws StatusError when the database fails.
  int64_t next_seq();
  // The id that the same request made before; INVALID_ARGUMENT when its body was another one.
  absl::StatusOr<std::optional<std::string>> repeated(const std::string& project,
                                                      const std::string& collection,
                                                      const Request& request);
  void remember(const Key& key, const std::string& collection, const Request& request);
  // After a delete the request is new again: its answer would name what is no more.
  void forget(const Key& key, const std::string& collection);

  absl::StatusOr<Resource> load_resource(ResourceKind kind, const Key& key);
  void erase_resource(ResourceKind kind, const Key& key);
  bool has_blob(const std::string& project, const StoredFile& file);
  absl::Status need_blobs(const std::string& project, const std::vector<StoredFile>& files);

  absl::StatusOr<JobRow> load_job(const Key& key);
  std::vector<JobRow> load_jobs(sqlite::Statement rows);
  void save_job(const JobRow& row);
  espalier::v1::Job describe(const JobRow& row);
  // Moves along the transition table, writes the event; ends what hangs on the job when it ended.
  absl::Status change(JobRow& row, JobChange what, const std::string& event,
                      const std::string& message);
  // The first half of change: leaves alone what hangs on the job.
  absl::Status move_job(JobRow& row, JobChange what, const std::string& event,
                        const std::string& message);
  void add_event(JobRow& row, const std::string& kind, const std::string& message,
                 const espalier::v1::Progress* progress = nullptr);
  void settle_dependents(const JobRow& first);
  absl::Status check_new_job(const espalier::v1::Job& job, const Key& key, bool& blocked);
  // The job if the hold is good: same fence and worker, RUNNING or CANCELLING.
  absl::StatusOr<JobRow> held(const LeaseHold& hold);
  Checkpoint load_checkpoint(const JobRow& row);
  std::vector<std::string> artifacts_of(const JobRow& job);
  espalier::v1::Artifact load_artifact(sqlite::Statement& row, const std::string& project);

  const LeaseRules rules_;
  const Clock& clock_;
  std::mutex mutex_;
  std::unique_ptr<sqlite::Database> db_;
};

}  // namespace espalier::server
