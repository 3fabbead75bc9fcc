// Sparsity and learning rate over time: pure functions of the step.
//
// A learning-rate schedule gives the factor of the peak learning rate in the optimiser step `step`,
// counted from 0, of `total`: what a loop with transformers' or torch's scheduler of the named kind
// sets (scheduler.step() after optimizer.step()). So with a warm-up the first step's factor is 0,
// and the last step's is not.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace espalier {

// Cubic ramp of Zhu & Gupta 2017 (GMP): 0 until `begin`, `target` from `end` on; begin and end are
// shares of the steps. s(t) = target (1 - (1 - t)^3).
inline double cubic_sparsity(int64_t step, int64_t total, double begin, double end, double target) {
  double position = total > 0 ? static_cast<double>(step) / static_cast<double>(total) : 1;
  double t = end > begin ? (position - begin) / (end - begin) : (position >= end ? 1 : 0);
  t = std::clamp(t, 0.0, 1.0);
  double left = 1 - t;
  return target * (1 - left * left * left);
}

// transformers' TrainingArguments.get_warmup_steps: a share of the steps, rounded up.
inline int64_t warmup_steps_of(int64_t total, double share) {
  return static_cast<int64_t>(std::ceil(static_cast<double>(total) * share));
}

// The line from 0 at step 0 to 1 at step `warmup`, 1 after that.
inline double warmup_factor(int64_t step, int64_t warmup) {
  if (step >= warmup) return 1;
  return static_cast<double>(step) / static_cast<double>(std::max<int64_t>(warmup, 1));
}

// get_constant_schedule_with_warmup.
inline double constant_schedule(int64_t step, int64_t warmup) {
  return warmup_factor(step, warmup);
}

// get_linear_schedule_with_warmup: after the warm-up, the line to 0 at step `total`.
inline double linear_schedule(int64_t step, int64_t total, int64_t warmup) {
  if (step < warmup) return warmup_factor(step, warmup);
  return std::max(0.0, static_cast<double>(total - step) /
                           static_cast<double>(std::max<int64_t>(total - warmup, 1)));
}

// get_cosine_schedule_with_warmup with its half wave: after the warm-up, (1 + cos) / 2 down to 0.
inline double cosine_schedule(int64_t step, int64_t total, int64_t warmup) {
  if (step < warmup) return warmup_factor(step, warmup);
  double progress = static_cast<double>(step - warmup) /
                    static_cast<double>(std::max<int64_t>(total - warmup, 1));
  return std::max(0.0, 0.5 * (1 + std::cos(std::numbers::pi * progress)));
}

// torch's CyclicLR in its mode "triangular". In its terms `length` (not necessarily whole) is
// step_size_up + step_size_down, `rise` is step_size_up / length, and `floor` is base_lr / max_lr.
// rise 0, which CyclicLR does not have, is the sawtooth of oBERT (arXiv 2203.07259): down from 1,
// and up again at once. A warm-up, which CyclicLR does not have either, multiplies.
struct Cycle {
  double length = 1, rise = 0.5, floor = 0;
};
inline double cyclic_schedule(int64_t step, int64_t warmup, const Cycle& cycle) {
  double position = static_cast<double>(step) / cycle.length;
  position -= std::floor(position);
  double height = position < cycle.rise ? position / cycle.rise : (1 - position) / (1 - cycle.rise);
  return warmup_factor(step, warmup) * (cycle.floor + (1 - cycle.floor) * height);
}

}  // namespace espalier
