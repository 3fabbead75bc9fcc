// A moving average of the trained weights, which is less noisy than the weights themselves:
//
//   a <- d a + (1 - d) w  after every optimiser step,  d = min(decay, (1 + t) / (10 + t))
//
// with t the steps before this one. The rising d (that of TensorFlow's ExponentialMovingAverage) is
// what frees a young average from where the weights started.
#pragma once

#include <string>
#include <vector>

#include "core/method/state.h"
#include "core/model/model.h"

namespace espalier {

class WeightAverage {
 public:
  // Of the tensors that require a gradient now, as they stand. decay 0: off, nothing is kept.
  WeightAverage(const Model& model, double decay);
  // After optimiser step `step`, counted from 0.
  void see(int64_t step);
  // These of the model's tensors were given other values: their averages begin anew.
  void restart(const std::vector<Tensor>& tensors);
  // `model` with the averages in the place of its trained tensors; all tensors are shared.
  Model of(const Model& model) const;
  void save(State& state) const;
  void load(const State& state);

 private:
  double decay_;
  std::vector<std::string> names_;
  std::vector<Tensor> live_, averages_;
};

}  // namespace espalier
