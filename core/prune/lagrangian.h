// An equality constraint on the size that gates are expected to leave, as a penalty with
// multipliers that are trained upwards while all else is trained downwards (FLOP, Wang et al. 2020,
// arXiv 1910.04732; CoFi, Xia et al. 2022, arXiv 2204.00408):
//
//   L = lambda1 (s - t) + lambda2 (s - t)^2,   s: expected sparsity, t: the one that is wanted now.
//
// Both start at 0 and may have any sign: lambda1 is negative while too little is gone. With AdamW
// each moves by about its learning rate a step.
#pragma once

#include "core/method/method.h"

namespace espalier {

class Lagrangian {
 public:
  // On the CPU, in double: sums of millions of parameters are compared.
  Lagrangian() : multipliers_(at::zeros({2}, at::kDouble).set_requires_grad(true)) {}

  // `expected`: scalar, double, on the CPU, with a graph.
  Tensor penalty(const Tensor& expected, double wanted) const {
    const Tensor gap = expected - wanted;
    return multipliers_[0] * gap + multipliers_[1] * gap * gap;
  }
  ParamGroup parameters(double learning_rate) const {
    ParamGroup group;
    group.name = "multipliers";
    group.parameters = {multipliers_};
    group.learning_rate = learning_rate;
    group.clip = false;
    group.ascend = true;
    group.scheduled = false;
    return group;
  }
  const Tensor& multipliers() const { return multipliers_; }  // lambda1, lambda2
  void save(State& state) const { state.tensors["multipliers"] = multipliers_.detach(); }
  void load(const State& state) {
    torch::NoGradGuard no_grad;
    multipliers_.copy_(state.tensors.at("multipliers"));
  }

 private:
  Tensor multipliers_;
};

}  // namespace espalier
