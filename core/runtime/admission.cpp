#include "core/runtime/admission.h"

#include <algorithm>
#include <numeric>

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

  bool fits(int row_tokens, int most_rows, int64_t budget) const {
    return rows == 0 || (rows < most_rows && tokens + row_tokens <= budget);
  }
  void add(int row_tokens) {
    ++rows;
    tokens += row_tokens;
  }
};

// The batch if nobody were late: full when there is more than it can hold.
Batch plan(std::span<const Waiting> queue, int most_rows, int64_t budget, TimePoint now) {
  Batch batch;
  for (const Waiting& waiting : queue) {
    if (waiting.cancelled || waiting.deadline <= now) continue;
    for (int row_tokens : waiting.tokens) {
      batch.full = !batch.fits(row_tokens, most_rows, budget);
      if (batch.full) return batch;
      batch.add(row_tokens);
    }
  }
  return batch;
}

}  // namespace

TimePoint place_in_queue(TimePoint submitted, int priority) {
  const int behind = priority <= 0 ? kPriorities : std::min(priority, kPriorities) - 1;
  return submitted + behind * kHeadStart;
}

Share first_batch(std::span<const int> tokens, const Load& load, const BatchLimits& limits) {
  const int64_t budget = token_budget(load, limits);
  Batch batch;
  for (int row_tokens : tokens) {
    if (!batch.fits(row_tokens, limits.rows, budget)) break;
    batch.add(row_tokens);
  }
  return {batch.rows, batch.tokens};
}

Expectation expect(const Ahead& ahead, int64_t tokens, const Load& load, const BatchLimits& limits,
                   TimePoint now) {
  const double batches =
      std::max(static_cast<double>(ahead.tokens) / static_cast<double>(token_budget(load, limits)),
               static_cast<double>(ahead.rows) / limits.rows);
  const auto before = static_cast<int64_t>(batches);  // the rest goes with the request
  const auto of_one = [&] {
    return static_cast<int64_t>(static_cast<double>(ahead.tokens) / batches);
  };
  const Duration full = before == 0 ? Duration::zero() : load.rate.compute(of_one());
  const auto stretched = [&](Duration compute) {
    return std::chrono::duration_cast<Duration>(compute * load.rate.stretch());
  };
  Expectation result;
  result.start = std::max(ahead.running_until.value_or(now) - now, Duration::zero());
  result.start += stretched(full * before);
  // Behind a full batch its own will be full too: others come after it.
  const int64_t together = before == 0 ? ahead.tokens + tokens : tokens;
  result.ready = result.start + stretched(std::max(full, load.rate.compute(together)));
  return result;
}

absl::Status check_wait(const Ahead& ahead, int64_t tokens, TimePoint deadline, const Load& load,
                        const BatchLimits& limits, TimePoint now) {
  if (deadline <= now) return absl::DeadlineExceededError("the request's time is over");
  const auto [wait, needed] = expect(ahead, tokens, load, limits, now);
  if (wait <= Duration::zero()) return absl::OkStatus();
  if (wait > limits.max_wait) {
    return absl::UnavailableError(
        absl::StrCat("the queue is too long: a request would wait about ", milliseconds(wait),
                     " ms (allowed: ", milliseconds(limits.max_wait), "); try again later"));
  }
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
  // Where more waits than a batch can hold, smaller ones for those in a hurry would cost all others
  // more than it gives these.
  const Batch planned = plan(queue, limits.rows, budget, now);
  const int64_t least = planned.full ? planned.tokens : 0;
  const bool in_doubt = load.late_since.has_value() && now - *load.late_since >= kTrust;
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
    const int64_t own = std::accumulate(waiting.tokens.begin(), waiting.tokens.end(), int64_t{0});
    if (!batch.full && ready(std::max(least, batch.tokens + own)) > waiting.deadline) {
      if (!in_doubt || batch.rows > 0) {
        result.late.push_back(i);
        continue;
      }
      result.tried = true;
    }
    ++requests;
    Slice slice{i, 0};
    for (int row_tokens : waiting.tokens) {
      // Nothing overtakes: a row that does not fit ends the batch, so that long rows never starve.
      batch.full = batch.full || !batch.fits(row_tokens, limits.rows, budget) ||
                   (batch.rows > 0 && ready(batch.tokens + row_tokens) > batch.deadline);
      if (batch.full) break;
      ++slice.rows;
      batch.add(row_tokens);
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
