// One thread for the calls that take long, so that the threads that bring them never wait.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "absl/status/status.h"

namespace espalier::server {

class Errands {
 public:
  // At most so many wait while one runs.
  explicit Errands(size_t most_waiting = 16);
  ~Errands();  // does what waits, then ends

  // In the order given. UNAVAILABLE when too many wait; `errand` is dropped then.
  absl::Status run(std::function<void()> errand);

 private:
  void work();

  const size_t most_waiting_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> waiting_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace espalier::server
