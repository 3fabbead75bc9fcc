// Upkeep: what has to happen without anybody asking. One thread; every step can be called by
// itself.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "server/control/blob_keeper.h"
#include "server/control/control_metrics.h"
#include "server/control/job_store.h"
#include "server/control/notifier.h"
#include "server/control/worker_registry.h"

namespace espalier::server {

class Upkeep {
 public:
  Upkeep(JobStore& store, BlobKeeper& blobs, WorkerRegistry& workers, Notifier& notifier,
         ControlMetrics& metrics)
      : store_(store), blobs_(blobs), workers_(workers), notifier_(notifier), metrics_(metrics) {}
  ~Upkeep() { stop(); }

  // Each second a tick, each hour a collection, the first one at once.
  void start();
  void stop();

  // Expired leases, reasons why jobs wait, gauges.
  void tick();
  // Blobs that nothing refers to.
  void collect();

 private:
  void loop();
  absl::Status sweep();
  // NO_CAPABLE_WORKER on queued jobs that no living worker can run.
  absl::Status explain_waiting();

  JobStore& store_;
  BlobKeeper& blobs_;
  WorkerRegistry& workers_;
  Notifier& notifier_;
  ControlMetrics& metrics_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace espalier::server
