// Notices a loss that has blown up, long before it is no number any more.
//
// The level of the loss is its mean with weights 0.9^age (ten steps or so). A training has blown up
// when, after the warm-up, the level has stood above `factor` times its lowest value for 50 steps
// in a row. Lowest values below 1 count as 1: a loss near 0 that comes up to 0.1 is no accident,
// and 1 is the scale of a cross-entropy. A spike that the training recovers from is none either.
#pragma once

#include <cstdint>

#include "core/base/options.h"

namespace espalier {

class LossWatch {
 public:
  static constexpr int64_t kPatience = 50;
  // factor 0: never.
  LossWatch(double factor, int64_t warmup) : factor_(factor), warmup_(warmup) {}
  // The loss of step `step`, counted from 0. True: it has blown up.
  bool see(int64_t step, double loss);
  double level() const { return sum_ / weight_; }
  double lowest() const { return lowest_; }
  int64_t lowest_step() const { return lowest_step_; }
  Json save() const;
  void load(const Json& json);

 private:
  double factor_;
  int64_t warmup_;
  double sum_ = 0, weight_ = 0, lowest_ = 0;
  int64_t lowest_step_ = 0, above_ = 0;
};

}  // namespace espalier
