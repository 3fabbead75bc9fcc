// What a batch costs, learnt from the batches that ran: a fixed part and one for each token. The
// decayed least-squares line through (tokens, time), drawn towards the line through the origin
// where the batches were too alike to tell the two parts apart: that errs towards dear large
// batches and cheap small ones. A value: copies are snapshots.
#pragma once

#include <chrono>
#include <cstdint>

namespace espalier::runtime {

using TimePoint = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

class ServiceRate {
 public:
  // A batch `took` so long in the engine and `turn` on its way: from when it could have started,
  // had nobody else used the engine's threads, to its end.
  void learn(int64_t tokens, Duration took, Duration turn);

  // Before anything ran, everything costs nothing.
  bool known() const { return weight_ > 0; }
  Duration fixed() const { return compute(0); }
  Duration compute(int64_t tokens) const;
  // The largest batch that takes no longer, at least 1.
  int64_t tokens_within(Duration time) const;
  // Turn over compute, at least 1: with two busy models about 2.
  double stretch() const;

 private:
  struct Line {
    double fixed = 0, per_token = 0;  // in ticks of Duration
  };
  Line line() const;

  // Decayed sums over the batches.
  double weight_ = 0, tokens_ = 0, time_ = 0, tokens_squared_ = 0, tokens_time_ = 0, turn_ = 0;
};

}  // namespace espalier::runtime
