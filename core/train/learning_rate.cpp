#include "core/train/learning_rate.h"

#include "core/method/schedule.h"

namespace espalier {

int64_t warmup_steps(const TrainingSpec& spec, int64_t total) {
  return spec.warmup_steps > 0 ? spec.warmup_steps : warmup_steps_of(total, spec.warmup);
}

double learning_rate_factor(const TrainingSpec& spec, int64_t step, int64_t total) {
  const int64_t warmup = warmup_steps(spec, total);
  switch (spec.schedule) {
    case ScheduleKind::kLinear:
      return linear_schedule(step, total, warmup);
    case ScheduleKind::kCosine:
      return cosine_schedule(step, total, warmup);
    case ScheduleKind::kConstant:
      return constant_schedule(step, warmup);
    case ScheduleKind::kCyclic:
      return cyclic_schedule(
          step, warmup,
          {static_cast<double>(total) / spec.cycles, spec.cycle_rise, spec.cycle_floor});
  }
  return 1;
}

}  // namespace espalier
