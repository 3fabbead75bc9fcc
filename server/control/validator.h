// Validator: decides READY or INVALID, one resource at a time, on a thread of its own.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <thread>

#include "server/control/blob_store.h"
#include "server/control/inspect.h"
#include "server/control/job_store.h"
#include "server/control/notifier.h"

namespace espalier::server {

class Validator {
 public:
  // `scratch` holds the folders that are being looked at.
  Validator(JobStore& store, BlobStore& blobs, Inspector& inspector, Notifier& notifier,
            std::string scratch)
      : store_(store),
        blobs_(blobs),
        inspector_(inspector),
        notifier_(notifier),
        scratch_(std::move(scratch)) {}
  ~Validator() { stop(); }

  // Takes up what an earlier process left in VALIDATING.
  absl::Status start();
  // Ends a check that runs; it is made again after the next start.
  void stop();
  void submit(Resource resource);

 private:
  void loop();
  void validate(const Resource& resource);
  absl::StatusOr<Json> look_at(const Resource& resource);

  JobStore& store_;
  BlobStore& blobs_;
  Inspector& inspector_;
  Notifier& notifier_;
  const std::string scratch_;
  std::mutex mutex_;
  std::condition_variable work_;
  std::deque<Resource> queue_;
  std::atomic<bool> stopped_{false};
  std::thread thread_;
};

}  // namespace espalier::server
