// Wakes everybody who waits for a change of the store: watches and workers' long polls. Whoever
// wakes looks again; a missed or a needless wake-up does no harm.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace espalier::server {

class Notifier {
 public:
  // Take it before looking; what changes after that ends wait() at once.
  uint64_t version() const {
    std::lock_guard lock(mutex_);
    return version_;
  }
  void notify() {
    {
      std::lock_guard lock(mutex_);
      ++version_;
    }
    changed_.notify_all();
  }
  // Until something changed since `seen`, stop(), or the time is over.
  void wait(uint64_t seen, std::chrono::milliseconds time) const {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, time, [&] { return version_ != seen || stopped_; });
  }
  // For good: nobody waits any more.
  void stop() {
    {
      std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    changed_.notify_all();
  }
  bool is_stopped() const {
    std::lock_guard lock(mutex_);
    return stopped_;
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  uint64_t version_ = 0;
  bool stopped_ = false;
};

}  // namespace espalier::server
