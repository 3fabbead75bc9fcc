// The learning rate over a training: which schedule of method/schedule.h, with which numbers.
#pragma once

#include "core/spec/training_spec.h"

namespace espalier {

// Optimiser steps of the warm-up.
int64_t warmup_steps(const TrainingSpec& spec, int64_t total);

// Factor of the peak learning rate in step `step` (from 0) of `total`.
double learning_rate_factor(const TrainingSpec& spec, int64_t step, int64_t total);

}  // namespace espalier
