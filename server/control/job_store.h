// JobStore: everything that the control plane remembers, and every rule about it that must hold in
// one transaction. Implementations differ in SQL only; services hold no state.
//
// Errors carry a reason (server/common/status.h): NOT_FOUND names the resource, ALREADY_EXISTS the
// one in the way, FAILED_PRECONDITION the state found, ABORTED a lease that is no longer held.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "espalier/v1/artifact.pb.h"
#include "espalier/v1/endpoint.pb.h"
#include "espalier/v1/job.pb.h"
#include "espalier/worker/v1/worker.pb.h"
#include "server/control/job_state.h"
#include "server/control/names.h"

namespace espalier::server {

// Models and data sets: files that are uploaded, checked and then used.
enum class ResourceKind { kModel, kDataset };
// "models", "datasets".
std::string collection_of(ResourceKind kind);

// Numbers as in Model.State and Dataset.State.
enum class ResourceState { kUploading = 1, kValidating = 2, kReady = 3, kInvalid = 4 };
std::string state_name(ResourceState state);

struct StoredFile {
  std::string path;
  uint64_t size = 0;
  std::string sha256;
  std::string upload;  // id of the upload that still runs; empty: the bytes are here
};

struct Resource {
  ResourceKind kind = ResourceKind::kModel;
  Key key;
  ResourceState state = ResourceState::kUploading;
  std::string
      body;  // serialised espalier.v1.Model or Dataset; state, files and times are the fields here
  std::vector<StoredFile> files;
  int64_t create_ms = 0;
  int64_t seq = 0;  // set by the store: tells it from one that had its name before
};

// Most endpoints of a project, and most bytes that they may take together: a watch sends them all
// in one message, and gRPC's clients refuse messages above 4 MiB.
inline constexpr int kMostEndpoints = 1000;
inline constexpr int64_t kMostEndpointBytes = 3 << 20;

struct UploadRow {
  Key key;
  ResourceKind kind = ResourceKind::kModel;
  std::string resource, path, sha256;
  uint64_t size = 0;
  bool finalized = false;
};

// Makes a Create idempotent; no id: no promise.
struct Request {
  std::string id, fingerprint;
};

template <class T>
struct Page {
  std::vector<T> rows;
  int64_t next = 0;  // where the next page starts; 0: this is the last one
};

// One page of a project's rows, newest first.
struct PageQuery {
  std::string project;
  int rows = 50;
  int64_t after = 0;  // Page::next of the page before
};
struct JobQuery : PageQuery {
  std::vector<JobState> states;  // empty: all
  bool oldest_first = false;
};

// Proof of a lease, as a worker shows it.
struct LeaseHold {
  Key job;
  uint64_t fence = 0;
  std::string worker;
};

struct Checkpoint {
  std::vector<StoredFile> files;
  std::string compute_class;
  int format = 0;
};

// What a worker gets.
struct Claim {
  espalier::v1::Job job;
  uint64_t fence = 0;
  Resource model;
  std::vector<Resource> teachers;  // without the job's own
  std::optional<Resource> dataset;
  Checkpoint checkpoint;
};

struct NewArtifact {
  std::vector<StoredFile> files;
  espalier::v1::Artifact body;  // task, summary, labels, hashes; the store names it
};

// How leases live.
struct LeaseRules {
  int64_t lease_ms = 30'000;
  int max_attempts = 3;
  int64_t backoff_ms = 5'000;  // before the second attempt; doubles with each
};

// What a sweep found, for metrics.
struct SweepResult {
  int expired = 0, lost = 0, cancelled = 0;
};

struct JobCount {
  JobState state;
  std::string method;  // pruner, or "none"
  int64_t count = 0;
};

struct BlobRow {
  std::string project, sha256;
};

class JobStore {
 public:
  virtual ~JobStore() = default;

  // ---- models and data sets --------------------------------------------------------------------
  // Files whose content the project has need no upload; the others get one. Without any upload the
  // state is VALIDATING at once. A repeated request returns the resource that is there. One that is
  // INVALID makes way for its namesake.
  virtual absl::StatusOr<Resource> create_resource(Resource resource, const Request& request) = 0;
  virtual absl::StatusOr<Resource> resource(ResourceKind kind, const Key& key) = 0;
  virtual absl::StatusOr<Page<Resource>> resources(ResourceKind kind, const PageQuery& query) = 0;
  // FAILED_PRECONDITION while an unfinished job uses it.
  virtual absl::Status delete_resource(ResourceKind kind, const Key& key) = 0;
  // VALIDATING -> READY or INVALID, with a new body. NOT_FOUND when the resource that was checked
  // is no more, even if another one has its name now.
  virtual absl::Status settle_resource(const Resource& checked, ResourceState state,
                                       const std::string& body) = 0;
  virtual absl::StatusOr<std::vector<Resource>> resources_to_validate() = 0;

  // ---- uploads and blobs -----------------------------------------------------------------------
  virtual absl::StatusOr<UploadRow> upload(const Key& key) = 0;
  // The bytes are in the blob store. Returns the resource when this was its last file.
  virtual absl::StatusOr<std::optional<Resource>> finish_upload(const Key& key) = 0;
  // Bytes of a project are in the blob store; known ones become young again.
  virtual absl::Status add_blob(const std::string& project, const StoredFile& blob) = 0;
  // NOT_FOUND when the project has no such content.
  virtual absl::StatusOr<uint64_t> blob_size(const std::string& project,
                                             const std::string& sha256) = 0;
  // Forgets blobs that nothing refers to and nobody touched since `before_ms` (wall time), and the
  // request ids of before.
  virtual absl::StatusOr<std::vector<BlobRow>> forget_blobs(int64_t before_ms) = 0;

  // ---- jobs, for users -------------------------------------------------------------------------
  // Checks model, data set, `after` and artifact id in the same transaction. `check_only` changes
  // nothing.
  virtual absl::StatusOr<espalier::v1::Job> create_job(espalier::v1::Job job,
                                                       const Request& request, bool check_only) = 0;
  virtual absl::StatusOr<espalier::v1::Job> job(const Key& key) = 0;
  virtual absl::StatusOr<Page<espalier::v1::Job>> jobs(const JobQuery& query) = 0;
  virtual absl::StatusOr<espalier::v1::Job> cancel_job(const Key& key) = 0;
  virtual absl::Status delete_job(const Key& key) = 0;
  // At most `limit` events after `after_seq`, in order.
  virtual absl::StatusOr<std::vector<espalier::v1::JobEvent>> events(const Key& key,
                                                                     uint64_t after_seq,
                                                                     int limit) = 0;
  virtual absl::StatusOr<std::vector<JobCount>> job_counts() = 0;

  // ---- jobs, for workers -----------------------------------------------------------------------
  // The best job that this worker can run: queued, or RUNNING with an expired lease, or left behind
  // by this very worker. Nothing when there is none.
  virtual absl::StatusOr<std::optional<Claim>> claim(
      const espalier::worker::v1::WorkerInfo& worker) = 0;
  // Each call of a worker: ABORTED when someone else holds the job or it runs no longer. The answer
  // of those that return bool: whether the job is to stop.
  virtual absl::StatusOr<bool> heartbeat(const LeaseHold& hold) = 0;
  virtual absl::StatusOr<bool> report_progress(const LeaseHold& hold,
                                               const espalier::v1::Progress& progress,
                                               const std::string& event_kind,
                                               const std::string& message) = 0;
  virtual absl::StatusOr<bool> commit_checkpoint(const LeaseHold& hold,
                                                 const Checkpoint& checkpoint) = 0;
  virtual absl::Status check_lease(const LeaseHold& hold) = 0;
  // PERMISSION_DENIED for content that the lease does not name.
  virtual absl::Status check_read(const LeaseHold& hold, const std::string& sha256) = 0;
  // Names of the artifacts; the same ones when the same lease completes again.
  virtual absl::StatusOr<std::vector<std::string>> complete_job(
      const LeaseHold& hold, std::vector<NewArtifact> artifacts) = 0;
  virtual absl::StatusOr<espalier::v1::Job> fail_job(const LeaseHold& hold,
                                                     const espalier::v1::Failure& failure,
                                                     bool retryable) = 0;
  virtual absl::StatusOr<espalier::v1::Job> release_job(const LeaseHold& hold) = 0;

  // ---- upkeep ----------------------------------------------------------------------------------
  // After a start: leases count from now, so that an outage of the control plane restarts nothing.
  virtual absl::Status begin_epoch() = 0;
  // Notes expired leases, ends those without another attempt.
  virtual absl::StatusOr<SweepResult> sweep() = 0;
  virtual absl::StatusOr<std::vector<espalier::v1::Job>> queued_jobs() = 0;
  virtual absl::Status set_waiting_reason(const Key& key, const std::string& reason) = 0;

  // ---- artifacts and endpoints -----------------------------------------------------------------
  virtual absl::StatusOr<espalier::v1::Artifact> artifact(const Key& key) = 0;
  virtual absl::StatusOr<Page<espalier::v1::Artifact>> artifacts(const PageQuery& query) = 0;
  // FAILED_PRECONDITION while an endpoint routes to it.
  virtual absl::Status delete_artifact(const Key& key) = 0;
  // Checks that its artifacts exist; sets generation and time. RESOURCE_EXHAUSTED for a new one
  // above kMostEndpoints, and for one that makes them larger than kMostEndpointBytes.
  virtual absl::StatusOr<espalier::v1::Endpoint> set_endpoint(espalier::v1::Endpoint endpoint,
                                                              bool check_only) = 0;
  virtual absl::StatusOr<espalier::v1::Endpoint> endpoint(const Key& key) = 0;
  virtual absl::StatusOr<Page<espalier::v1::Endpoint>> endpoints(const PageQuery& query) = 0;
  virtual absl::Status delete_endpoint(const Key& key) = 0;
};

}  // namespace espalier::server
