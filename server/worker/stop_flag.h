// "Stop, in order": set once from any thread, asked and waited for from any other.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>

namespace espalier::server {

class StopFlag {
 public:
  using Clock = std::chrono::steady_clock;

  void stop() {
    {
      std::lock_guard lock(mutex_);
      if (!since_) since_ = Clock::now();
    }
    changed_.notify_all();
  }
  bool stopped() const {
    std::lock_guard lock(mutex_);
    return since_.has_value();
  }
  // True when it was set more than `grace` ago.
  bool stopped_for(Clock::duration grace) const {
    std::lock_guard lock(mutex_);
    return since_ && Clock::now() - *since_ >= grace;
  }
  // Waits at most so long; true when it is set.
  template <class Duration>
  bool wait_for(Duration duration) const {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, duration, [this] { return since_.has_value(); });
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::optional<Clock::time_point> since_;
};

}  // namespace espalier::server
