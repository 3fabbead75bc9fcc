// AdamW (Loshchilov & Hutter, arXiv 1711.05101) over parameter groups, with LibTorch's fused
// kernel, and a state that goes into a checkpoint by parameter name.
#pragma once

#include <string>
#include <vector>

#include "core/method/state.h"

namespace espalier {

struct OptimiserGroup {
  std::vector<std::string> names;
  std::vector<Tensor> parameters;
  double learning_rate = 1e-3, weight_decay = 0;
  bool clip = true, ascend = false, scheduled = true;
};

class AdamW {
 public:
  explicit AdamW(std::vector<OptimiserGroup> groups);
  void zero_grad();
  // Has the next step scale the gradients of clipping groups to at most `max_norm` together (0: no
  // clipping) and returns their norm before. Ascending groups get their sign flipped here.
  Tensor clip(double max_norm);
  // `factor` is the schedule's multiplier of every scheduled group's learning rate.
  void step(double factor);
  void save(State& state) const;
  void load(const State& state);

 private:
  struct Slot {
    std::string name;
    Tensor parameter, mean, square, count;
  };
  struct Group {
    OptimiserGroup options;
    std::vector<Slot> slots;
  };
  std::vector<Group> groups_;
  Tensor divisor_;  // of clipping groups' gradients at the next step; undefined: 1
};

}  // namespace espalier
