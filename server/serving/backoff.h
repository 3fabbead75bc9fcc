// Growing pauses between attempts.
#pragma once

#include <algorithm>
#include <chrono>

namespace espalier::server {

class Backoff {
 public:
  using Milliseconds = std::chrono::milliseconds;
  Backoff(Milliseconds first, Milliseconds last) : first_(first), last_(last), next_(first) {}

  // The pause before the next attempt; doubles each time.
  Milliseconds next() {
    const Milliseconds pause = next_;
    next_ = std::min(next_ * 2, last_);
    return pause;
  }
  void reset() { next_ = first_; }

 private:
  Milliseconds first_, last_, next_;
};

}  // namespace espalier::server
