// Time as the control plane sees it: steady time for leases, wall time for people. Handed in, so
// that tests move it by hand.
#pragma once

#include <chrono>
#include <cstdint>

namespace espalier::server {

class Clock {
 public:
  virtual ~Clock() = default;
  // Milliseconds that only grow; their zero means nothing.
  virtual int64_t steady_ms() const = 0;
  // Milliseconds since 1970.
  virtual int64_t wall_ms() const = 0;
};

class SystemClock : public Clock {
 public:
  int64_t steady_ms() const override { return since_zero<std::chrono::steady_clock>(); }
  int64_t wall_ms() const override { return since_zero<std::chrono::system_clock>(); }

 private:
  template <class C>
  static int64_t since_zero() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(C::now().time_since_epoch())
        .count();
  }
};

}  // namespace espalier::server
