// Carries checkpoints to espalierd in the background, one at a time, from a snapshot made of hard
// links: training goes on at once and may write its next checkpoint meanwhile (whole files,
// renamed). A newer snapshot replaces one that waits.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "server/worker/blob_cache.h"
#include "server/worker/held_lease.h"
#include "server/worker/worker_metrics.h"

namespace espalier::server {

class CheckpointUploader {
 public:
  // Snapshots go below `folder`. Committed files are adopted by `cache`: a restarted worker needs
  // no download. All references must outlive it.
  CheckpointUploader(HeldLease& lease, BlobCache& cache, WorkerMetrics& metrics, std::string folder,
                     std::string compute_class);
  // Drops what is not committed yet.
  ~CheckpointUploader();

  // Takes the folder as it is now; quick.
  absl::Status snapshot(const std::string& checkpoint_folder);
  // Waits until the newest snapshot is committed or failed, and says which.
  absl::Status flush();

 private:
  struct Snapshot {
    std::string folder;
    std::chrono::steady_clock::time_point written;
  };
  void run();
  absl::Status commit(const Snapshot& snapshot);
  // Keeps the files of the newest checkpoint in the cache, and only those.
  void keep_newest(const std::string& folder, const std::vector<espalier::v1::File>& files);

  HeldLease& lease_;
  BlobCache& cache_;
  WorkerMetrics& metrics_;
  const std::string folder_, compute_class_;

  std::atomic<bool> dropped_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Snapshot> waiting_;
  bool busy_ = false;
  int count_ = 0;
  absl::Status last_;
  std::set<std::string> kept_;  // hashes in the cache; the thread's own
  std::thread thread_;          // last: it uses all of the above
};

}  // namespace espalier::server
