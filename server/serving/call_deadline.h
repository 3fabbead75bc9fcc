// The deadline of a gRPC call on the clock that the batcher runs by.
#pragma once

#include <grpcpp/server_context.h>

#include <chrono>

namespace espalier::server {

// The caller's deadline is wall time; beyond a day it is none.
inline std::chrono::steady_clock::time_point deadline_of(const grpc::ServerContextBase& context) {
  using SystemClock = std::chrono::system_clock;
  using SteadyClock = std::chrono::steady_clock;
  const SystemClock::time_point deadline = context.deadline();
  if (deadline == SystemClock::time_point::max()) return SteadyClock::time_point::max();
  const auto left = deadline - SystemClock::now();
  if (left >= std::chrono::hours(24)) return SteadyClock::time_point::max();
  return SteadyClock::now() + left;
}

}  // namespace espalier::server
