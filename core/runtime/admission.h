// Who may wait, in which order, and which waiting rows the next batch takes. Pure decisions over a
// snapshot of the queue and a clock reading, so that every rule is tested without threads or
// sleeps.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "core/runtime/service_rate.h"

namespace espalier::runtime {

struct BatchLimits {
  int rows = 64;      // of one batch
  int tokens = 4096;  // of one batch; a single longer row still runs, alone
  Duration max_linger = std::chrono::milliseconds(2);
  // What an accepted request waits at most for its first rows to run, by the measured rate; whoever
  // would wait longer is refused. A batch takes a quarter of it at most, a linger a twentieth.
  Duration max_wait = std::chrono::seconds(1);
};

// Who goes first: the earliest place in the queue. A priority is a head start: 1 is the highest, 8
// and what is above it the lowest that is given, 0 (none given) is behind them all, and each is
// kHeadStart ahead of the next. So requests of one priority start in the order they came, and none
// is overtaken by one that came more than eight head starts later.
//
// A place is worth one batch. What is left of a larger request has a new place then, as if it came
// when that batch ends: behind whoever came meanwhile, so that nobody waits for more than about a
// batch of anybody else of his priority, and before whoever comes later, so that it goes on too.
constexpr int kPriorities = 8;
constexpr Duration kHeadStart = std::chrono::milliseconds(250);
TimePoint place_in_queue(TimePoint submitted, int priority);

// What the engine did last; a fresh one stands for an engine that has been idle.
struct Load {
  int requests = 0;  // of the last batch
  TimePoint end{};   // of the last batch
  ServiceRate rate;
  // When requests were first dropped for being late, or when one of them was last tried all the
  // same.
  std::optional<TimePoint> late_since;
};

// Rows that wait.
struct Share {
  int rows = 0;
  int64_t tokens = 0;

  Share& operator+=(Share other) { return rows += other.rows, tokens += other.tokens, *this; }
  Share& operator-=(Share other) { return rows -= other.rows, tokens -= other.tokens, *this; }
  bool operator==(const Share&) const = default;
};
// What a request, the rows of which have so many `tokens`, has run before those behind it: no more
// than one batch.
Share first_batch(std::span<const int> tokens, const Load& load, const BatchLimits& limits);

// What a request finds before it.
struct Ahead {
  int rows = 0;  // the first batches of those that have an earlier place
  int64_t tokens = 0;
  std::optional<TimePoint> running_until;  // about; of the batch that runs now
};
// Until a request of `tokens` behind all this starts, and until it is ready.
struct Expectation {
  Duration start{}, ready{};
};
Expectation expect(const Ahead& ahead, int64_t tokens, const Load& load, const BatchLimits& limits,
                   TimePoint now);

// OK, or UNAVAILABLE: the request would wait longer than it may, or would not be answered before
// its deadline (DEADLINE_EXCEEDED once that is over). Refuses nobody else who would start at once:
// what is measured must stay up to date.
// `tokens` are the request's own; 0 when they are not known yet.
absl::Status check_wait(const Ahead& ahead, int64_t tokens, TimePoint deadline, const Load& load,
                        const BatchLimits& limits, TimePoint now);

// One request in the queue, earliest place first.
struct Waiting {
  std::span<const int> tokens;  // of each row that has not run yet; never empty
  TimePoint deadline = TimePoint::max();
  bool cancelled = false;
};

struct Slice {
  size_t request = 0;  // index into the snapshot
  int rows = 0;        // from its first waiting row on

  bool operator==(const Slice&) const = default;
};

struct Admission {
  // Requests to drop, never to run. Expired: the deadline is over; late: it will be.
  std::vector<size_t> cancelled, expired, late;
  std::vector<Slice> batch;             // in the order of the queue; empty: nothing to run now
  std::optional<TimePoint> wait_until;  // look again then, when more rows are worth waiting for
  bool tried = false;                   // the batch begins with a request that seemed to be late
};

// In the order of the queue, up to the limits and to what the measured rate can do in a quarter of
// `max_wait`. What cannot be ready by its deadline any more is dropped before it costs engine time,
// as long as the rate was measured within the last second: else one is tried. And so is one a
// second of what is dropped: an estimate that refused whatever would correct it would never get
// better. When more waits than a batch holds, ready means with a full batch; else the batch is kept
// so small that nobody in it is late for it.
//
// An idle engine, and one whose last batch held one request, starts at once. Otherwise the clients
// that were just answered are likely to ask again: the batch waits for as many requests as the last
// one had, no longer than the fixed cost that joining them saves, and at most `max_linger`.
Admission admit(std::span<const Waiting> queue, const Load& load, const BatchLimits& limits,
                TimePoint now);

}  // namespace espalier::runtime
