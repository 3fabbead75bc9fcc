// Which waiting rows the next batch takes. Pure decisions over a snapshot of the queue and a clock
// reading, so that every rule is tested without threads or sleeps.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace espalier::runtime {

using TimePoint = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

struct BatchLimits {
  int rows = 64;      // of one batch
  int tokens = 4096;  // of one batch; a single longer row still runs, alone
  Duration max_linger = std::chrono::milliseconds(2);
};

// One request in the queue, oldest first.
struct Waiting {
  std::span<const int> tokens;  // of each row that has not run yet; never empty
  TimePoint deadline = TimePoint::max();
  bool cancelled = false;
};

// What the engine did last; a fresh one stands for an engine that has been idle.
struct Load {
  int requests = 0;  // of the last batch
  Duration compute{};
  TimePoint end{};
};

struct Slice {
  size_t request = 0;  // index into the snapshot
  int rows = 0;        // from its first waiting row on

  bool operator==(const Slice&) const = default;
};

struct Admission {
  std::vector<size_t> cancelled, expired;  // requests to drop, never to run
  std::vector<Slice> batch;                // oldest first; empty: nothing to run now
  std::optional<TimePoint> wait_until;     // look again then, when more rows are worth waiting for
};

// Oldest first, up to the limits. An idle engine, and one whose last batch held one request, starts
// at once. Otherwise the clients that were just answered are likely to ask again: the batch waits
// for as many requests as the last one had, at most a quarter of its compute time and `max_linger`.
Admission admit(std::span<const Waiting> queue, const Load& load, const BatchLimits& limits,
                TimePoint now);

}  // namespace espalier::runtime
