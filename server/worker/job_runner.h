// One lease from its files to its end: prepare, compress, upload, verify, complete; or fail, or
// give back. Whatever happens, espalierd is told, unless it knows better already (a lost lease).
#pragma once

#include <functional>
#include <string>

#include "core/job/compress.h"
#include "server/worker/blob_cache.h"
#include "server/worker/checkpoint_uploader.h"
#include "server/worker/control_client.h"
#include "server/worker/held_lease.h"
#include "server/worker/stop_flag.h"
#include "server/worker/worker_metrics.h"

namespace espalier::server {

// espalier::compress, or a test's.
using Compress = std::function<absl::StatusOr<JobOutput>(const JobInput&, const JobHooks&)>;
// Checks a folder with its manifest (see verify.h) in a fresh process. `abandon` ends it early.
using Verify =
    std::function<absl::Status(const std::string& folder, const std::function<bool()>& abandon)>;

class JobRunner {
 public:
  struct Options {
    std::string jobs_folder;      // a folder per lease comes and goes below it
    std::string examples_folder;  // JobInput::cache_folder
    std::string compute_class;
    double checkpoint_seconds = 60;
    HeldLease::Options lease;
    Compress compress;
    Verify verify;
  };
  // All references must outlive it.
  JobRunner(const ControlClient& client, BlobCache& cache, WorkerMetrics& metrics,
            const StopFlag& stop, Options options)
      : client_(client),
        cache_(cache),
        metrics_(metrics),
        stop_(stop),
        options_(std::move(options)) {}

  // Runs it on the caller's thread. The outcome: "succeeded", "failed", "cancelled", "released"
  // (the worker was told to stop), "lost" (somebody else holds the job) or "unreported" (espalierd
  // could not be told; the lease will expire).
  std::string run(const wire::Lease& lease);

 private:
  std::string run_in(const std::string& folder, const wire::Lease& lease, HeldLease& held);
  absl::StatusOr<JobOutput> compress(const std::string& folder, const wire::Lease& lease,
                                     HeldLease& held, JobProgress& last);
  absl::Status publish(const JobOutput& output, HeldLease& held);
  std::string release(HeldLease& held);
  std::string fail(HeldLease& held, const absl::Status& status, const JobProgress& last);

  const ControlClient& client_;
  BlobCache& cache_;
  WorkerMetrics& metrics_;
  const StopFlag& stop_;
  const Options options_;
};

}  // namespace espalier::server
