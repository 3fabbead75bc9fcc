// Times of a model's shapes on this machine, measured through the backend that serves: before a
// training that aims at a time, and of what it made.
#pragma once

#include <functional>

#include "core/model/latency_table.h"
#include "core/model/model.h"
#include "core/spec/precision.h"

namespace espalier {

// What is timed: a batch of rows that are all of so many tokens.
struct LatencyProfile {
  int rows = 1, tokens = 128;
  Precision precision = Precision::kFp32;  // of the products, as far as this machine has them
};

// Figures taken by two processes of a machine at a time would be of neither. Whoever cannot have
// the lock (another user's file, or ten minutes over) measures without it. `tick` is called while
// it waits.
class MachineLock {
 public:
  explicit MachineLock(const std::function<void()>& tick);
  ~MachineLock();
  MachineLock(const MachineLock&) = delete;
  MachineLock& operator=(const MachineLock&) = delete;

 private:
  int file_ = -1;
};

// Median milliseconds of a batch, from inputs to logits, exits left alone. Several models take
// turns, so that drift hits all of them. Of a masked language model's rows one word is asked for.
std::vector<double> batch_latency(const std::vector<const Model*>& models,
                                  const std::vector<LatencyProfile>& profiles);

// Of models with random weights, as many layers as `config` has, all of one shape: full, a half and
// a quarter of the hidden dimension; heads by quarters, neurons by halvings. The times are scaled
// to add up to what the dense model takes. `tick` is called between measurements. For whoever holds
// a MachineLock.
LatencyTable measure_latency_table(const ModelConfig& config, const LatencyProfile& profile,
                                   const std::string& machine, const std::function<void()>& tick);

}  // namespace espalier
