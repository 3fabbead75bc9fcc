// Options of one training phase: what `finetune`, `prune`, `recover` and `exits` of a recipe hold.
// The JSON has the field names of proto espalier.v1.Training.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/options.h"
#include "core/spec/precision.h"

namespace espalier {

enum class OptimiserKind { kAdamW, kAdamax };
// How the learning rate goes over the steps (method/schedule.h).
enum class ScheduleKind { kLinear, kCosine, kConstant, kCyclic };

struct TrainingSpec {
  double epochs = 0;
  int64_t steps = 0;  // > 0 overrides epochs
  int batch_size = 32, micro_batch_size = 32;
  OptimiserKind optimiser = OptimiserKind::kAdamW;
  double learning_rate = 3e-5, weight_decay = 0.01, clip = 1.0;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  ScheduleKind schedule = ScheduleKind::kLinear;
  double warmup = 0.1;       // share of the steps
  int64_t warmup_steps = 0;  // > 0 overrides warmup
  // Of the cyclic schedule: how often it comes back over the training, the share of a cycle in
  // which it rises, and where it starts from, as a share of the learning rate.
  double cycles = 1, cycle_rise = 0.5, cycle_floor = 0;
  double dropout = -1;         // < 0: the model's own
  int64_t evaluate_every = 0;  // steps between evaluations that select a state; 0: an epoch
  int64_t patience = 0;        // evaluations in a row without a gain that end the phase; 0: none
  // A loss this many times its lowest value, for long, ends the job (train/loss_watch.h); 0: never.
  double divergence_factor = 10;
  double ema = 0;  // decay of the averaged weights, which then are the result; 0: off
  // In what the layers' matrix products are computed; weights, gradients and the optimiser are fp32
  // in either (model/matmul_precision.h). One that can_train().
  Precision precision = Precision::kFp32;
  // Computes the layers' inner states again in the backward pass instead of keeping them: less
  // memory, more time, the same result (model/recompute.h).
  bool gradient_checkpointing = false;
};

// Reads the options written for `phase` over `defaults`. INVALID_ARGUMENT names the field, what it
// is and what it must be.
absl::StatusOr<TrainingSpec> read_training(const Json& json, const std::string& phase,
                                           TrainingSpec defaults);

// Every option with its value; read_training() of it gives the same spec whatever the defaults.
Json write_training(const TrainingSpec& spec);

}  // namespace espalier
