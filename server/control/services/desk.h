// What every service works with.
#pragma once

#include <atomic>
#include <chrono>

#include "core/spec/catalogue.h"
#include "server/common/metrics.h"
#include "server/control/blob_keeper.h"
#include "server/control/control_metrics.h"
#include "server/control/job_store.h"
#include "server/control/notifier.h"
#include "server/control/validator.h"
#include "server/control/worker_registry.h"

namespace espalier::server {

struct Desk {
  JobStore& store;
  BlobKeeper& blobs;
  Validator& validator;
  Notifier& notifier;
  WorkerRegistry& workers;
  const Catalogue& catalogue;
  Metrics& metrics;
  ControlMetrics& measured;
  double lease_seconds = 30;
};

// Streams and long polls sleep no longer than this, to notice clients that have gone and leases
// that ended.
inline constexpr std::chrono::milliseconds kLook{500};

// Streams and long polls hold a thread each: so many at a time.
class Slots {
 public:
  explicit Slots(int most) : free_(most) {}
  // Holds a slot while it lives, if it got one.
  class Slot {
   public:
    explicit Slot(std::atomic<int>& free) : free_(free), taken_(free.fetch_sub(1) > 0) {
      if (!taken_) free_.fetch_add(1);
    }
    ~Slot() {
      if (taken_) free_.fetch_add(1);
    }
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
    explicit operator bool() const { return taken_; }

   private:
    std::atomic<int>& free_;
    const bool taken_;
  };
  Slot take() { return Slot(free_); }

 private:
  std::atomic<int> free_;
};

}  // namespace espalier::server
