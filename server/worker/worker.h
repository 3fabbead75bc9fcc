// The worker: registers with espalierd, waits for leases and runs one job at a time until it is
// told to stop. Knows no torch: what it runs is given to it.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "server/common/admin_server.h"
#include "server/common/metrics.h"
#include "server/worker/job_runner.h"
#include "server/worker/scratch.h"

namespace espalier::server {

struct WorkerOptions {
  ControlClient::Options control;
  std::string scratch;
  std::map<std::string, std::string> labels;
  double checkpoint_seconds = 60;
  double lease_wait_seconds = 20;             // of one long poll
  uint64_t cache_bytes = uint64_t{20} << 30;  // of the blob cache
  std::chrono::milliseconds stop_grace{10'000};
  std::string compute_class;
  Json catalogue;  // core's build_catalogue(): what this build can run
  Compress compress;
  Verify verify;
};

class Worker {
 public:
  static absl::StatusOr<std::unique_ptr<Worker>> make(WorkerOptions options, Metrics& metrics);

  // Until stop(). OK after an orderly stop; an error when espalierd refuses this worker, for
  // example for its protocol version.
  absl::Status run();
  // From any thread: no new lease, and a running job is checkpointed and given back.
  void stop();
  // From any thread.
  Readiness readiness() const;

  const wire::WorkerInfo& info() const { return info_; }

 private:
  Worker(WorkerOptions options, std::unique_ptr<Scratch> scratch, Metrics& metrics);
  // Whether to give up, for ControlClient::call_patiently(), which asks while espalierd does not
  // answer: when stopped; until then the log hears of it, once a minute at most.
  std::function<bool()> give_up_when_stopped() const;
  absl::Status register_once();
  // Leases and runs jobs until it is stopped or espalierd refuses to lease.
  void serve_leases();

  WorkerOptions options_;
  std::unique_ptr<Scratch> scratch_;
  WorkerMetrics metrics_;
  ControlClient client_;
  BlobCache cache_;
  StopFlag stop_;
  wire::WorkerInfo info_;
  HeldLease::Options lease_options_;
  std::atomic<bool> registered_{false};
};

}  // namespace espalier::server
