#include "core/runtime/admission.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace espalier::runtime {
namespace {

constexpr Duration kTrust = std::chrono::seconds(1);  // how long a measured rate is believed

int64_t milliseconds(Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

int64_t token_budget(const Load& load, const BatchLimits& limits) {
  return std::min<int64_t>(limits.tokens, load.rate.tokens_within(limits.max_wait / 4));
}

// Of a batch that starts now; nothing while nothing is known.
Duration expected_compute(int64_t tokens, const Load& load, TimePoint now) {
  return now - load.end < kTrust ? load.rate.compute(tokens) : Duration::zero();
}

// A batch in the making.
struct Batch {
  int rows = 0;
  int64_t tokens = 0;
  TimePoint deadline = TimePoint::max();  // the first of its requests'
  bool full = false;
};

}  // namespace

TimePoint place_in_queue(TimePoint submitted, int priority) {
  const int behind = priority <= 0 ? kPriorities : std::min(priority, kPriorities) - 1;
  return submitted + behind * kHeadStart;
}

Duration expected_wait(const Ahead& ahead, const Load& load, const BatchLimits& limits,
                       TimePoint now) {
  const auto up = [](int64_t amount, int64_t size) { return (amount + size - 1) / size; };
  const int64_t batches =
      std::max(up(ahead.tokens, token_budget(load, limits)), up(ahead.rows, limits.rows));
  const Duration fixed = load.rate.fixed();
  const Duration queued = fixed * batches + (load.rate.compute(ahead.tokens) - fixed);
  const Duration running = ahead.running_until.value_or(now) - now;
  return std::max(running, Duration::zero()) +
         std::chrono::duration_cast<Duration>(queued * load.rate.stretch());
}

absl::Status check_wait(const Ahead& ahead, int64_t tokens, TimePoint deadline, const Load& load,
                        const BatchLimits& limits, TimePoint now) {
  if (deadline <= now) return absl::DeadlineExceededError("the request's time is over");
  const Duration wait = expected_wait(ahead, load, limits, now);
  if (wait <= Duration::zero()) return absl::OkStatus();
  if (wait > limits.max_wait) {
    return absl::UnavailableError(
        absl::StrCat("the queue is too long: a request would wait about ", milliseconds(wait),
                     " ms (allowed: ", milliseconds(limits.max_wait), "); try again later"));
  }
  const Duration needed = wait + load.rate.compute(tokens);
  if (deadline - now < needed) {  // no sum: the latest deadline has nothing behind it
    return absl::UnavailableError(
        absl::StrCat("the queue is too long: the answer would come in about ", milliseconds(needed),
                     " ms, the request's deadline is in ", milliseconds(deadline - now),
                     "; allow more time or try again later"));
  }
  return absl::OkStatus();
}

Admission admit(std::span<const Waiting> queue, const Load& load, const BatchLimits& limits,
                TimePoint now) {
  const int64_t budget = token_budget(load, limits);
  const auto ready = [&](int64_t tokens) { return now + expected_compute(tokens, load, now); };
  Admission result;
  Batch batch;
  int requests = 0;
  for (size_t i = 0; i < queue.size(); ++i) {
    const Waiting& waiting = queue[i];
    if (waiting.cancelled) {
      result.cancelled.push_back(i);
      continue;
    }
    if (waiting.deadline <= now) {
      result.expired.push_back(i);
      continue;
    }
    int64_t own = 0;
    if (!batch.full)
      for (int row_tokens : waiting.tokens) own += row_tokens;
    if (!batch.full && ready(batch.tokens + own) > waiting.deadline) {
      result.late.push_back(i);
      continue;
    }
    ++requests;
    Slice slice{i, 0};
    for (int row_tokens : waiting.tokens) {
      // Nothing overtakes: a row that does not fit ends the batch, so that long rows never starve.
      const int64_t tokens = batch.tokens + row_tokens;
      batch.full = batch.full || (batch.rows > 0 && (batch.rows == limits.rows || tokens > budget ||
                                                     ready(tokens) > batch.deadline));
      if (batch.full) break;
      ++slice.rows;
      ++batch.rows;
      batch.tokens = tokens;
    }
    if (slice.rows == 0) continue;
    batch.deadline = std::min(batch.deadline, waiting.deadline);
    result.batch.push_back(slice);
  }
  const TimePoint linger_end =
      load.end + std::min({limits.max_linger, limits.max_wait / 20, load.rate.fixed()});
  const bool more_expected = load.requests > 1 && requests < load.requests;
  // A request that could not wait that long is served now.
  const bool has_time = linger_end + load.rate.compute(batch.tokens) < batch.deadline;
  if (!result.batch.empty() && !batch.full && more_expected && now < linger_end && has_time) {
    result.batch.clear();
    result.wait_until = linger_end;
  }
  return result;
}

}  // namespace espalier::runtime
