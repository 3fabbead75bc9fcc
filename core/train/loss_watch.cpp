#include "core/train/loss_watch.h"

#include <algorithm>

namespace espalier {
namespace {
constexpr double kKept = 0.9, kSmallest = 1;
}

bool LossWatch::see(int64_t step, double loss) {
  const bool first = weight_ == 0;
  sum_ = kKept * sum_ + (1 - kKept) * loss;
  weight_ = kKept * weight_ + (1 - kKept);
  if (first || level() < lowest_) {
    lowest_ = level();
    lowest_step_ = step;
  }
  const bool is_above = step >= warmup_ && level() > factor_ * std::max(lowest_, kSmallest);
  above_ = is_above ? above_ + 1 : 0;
  return factor_ > 0 && above_ >= kPatience;
}

Json LossWatch::save() const {
  return {{"sum", sum_},
          {"weight", weight_},
          {"lowest", lowest_},
          {"lowest_step", lowest_step_},
          {"above", above_}};
}

void LossWatch::load(const Json& json) {
  json.at("sum").get_to(sum_);
  json.at("weight").get_to(weight_);
  json.at("lowest").get_to(lowest_);
  json.at("lowest_step").get_to(lowest_step_);
  json.at("above").get_to(above_);
}

}  // namespace espalier
