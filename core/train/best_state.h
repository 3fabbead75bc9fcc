// The best state of a training by the select metric, and for how long there was none better.
#pragma once

#include <map>
#include <string>

#include "core/method/state.h"
#include "core/model/model.h"

namespace espalier {

class BestState {
 public:
  // One evaluation: keeps a copy of the model's tensors, and of where the methods stood, when the
  // metric is above every one before. A metric that is no number is never better.
  void see(double metric, const Model& model, const State& methods = {});
  bool empty() const { return tensors_.empty(); }
  double metric() const { return metric_; }  // unless empty()
  const std::map<std::string, Tensor>& tensors() const { return tensors_; }
  const State& methods() const { return methods_; }
  // Evaluations since the best one.
  int64_t stale() const { return stale_; }
  void save(State& state) const;
  void load(const State& state);

 private:
  std::map<std::string, Tensor> tensors_;
  State methods_;
  double metric_ = 0;
  int64_t stale_ = 0;
};

}  // namespace espalier
