#include "core/runtime/admission.h"

#include <algorithm>

namespace espalier::runtime {

Admission admit(std::span<const Waiting> queue, const Load& load, const BatchLimits& limits,
                TimePoint now) {
  Admission result;
  int requests = 0, rows = 0;
  int64_t tokens = 0;
  bool full = false;
  TimePoint first_deadline = TimePoint::max();
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
    ++requests;
    first_deadline = std::min(first_deadline, waiting.deadline);
    Slice slice{i, 0};
    for (int row_tokens : waiting.tokens) {
      // Nothing overtakes: a row that does not fit ends the batch, so that long rows never starve.
      full = full || (rows > 0 && (rows == limits.rows || tokens + row_tokens > limits.tokens));
      if (full) break;
      ++slice.rows;
      ++rows;
      tokens += row_tokens;
    }
    if (slice.rows > 0) result.batch.push_back(slice);
  }
  const TimePoint linger_end = load.end + std::min(limits.max_linger, load.compute / 4);
  const bool more_expected = load.requests > 1 && requests < load.requests;
  // A request that would end while we linger is served now.
  if (!result.batch.empty() && !full && more_expected && now < linger_end &&
      linger_end < first_deadline) {
    result.batch.clear();
    result.wait_until = linger_end;
  }
  return result;
}

}  // namespace espalier::runtime
