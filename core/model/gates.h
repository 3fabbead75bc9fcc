// A pruner's whole answer: multipliers on named units.
//
// Gates are real numbers, usually in [0,1], and may require grad. An undefined tensor means "all
// ones". H and F are the largest head and neuron counts of the layers; narrower layers use the
// first entries. With a gate of one and a loss, gate.grad is dL/dm = g.w: the first-order saliency
// of the unit.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/model/model.h"

namespace espalier {

struct Gates {
  Tensor hidden;          // [D], shared by all layers
  Tensor attention, ffn;  // [L], whole sub-layers; exact 0 is identity, norm included
  Tensor head;            // [L,H]
  Tensor neuron;          // [L,F]
  std::map<std::string, Tensor> weight, rank;  // by Linear name; [N,K], and [r] for factored ones

  // Host copies, made by seal(): whether a sub-layer acts at all. Empty before seal().
  std::vector<bool> attention_on, ffn_on;

  // A coarse gate counts as 0 when all its fine gates are: a sub-layer without any unit would
  // otherwise still add its bias and run its norm. One copy to the host a step, so that walk never
  // waits.
  void seal(const ModelConfig& config);
  bool empty() const;
  // Applies `change` to every defined tensor.
  Gates map(const std::function<Tensor(const Tensor&)>& change) const;
  // Every defined tensor, in a fixed order.
  std::vector<Tensor> tensors() const;
};

// What one layer sees of them; undefined = ones.
struct LayerGates {
  Tensor hidden;               // [D]
  Tensor attention, ffn;       // scalars
  Tensor head;                 // [h]
  Tensor neuron;               // [f]
  const Gates* all = nullptr;  // weight and rank gates by name

  Tensor weight(const std::string& linear) const;
  Tensor rank(const std::string& linear) const;
};
LayerGates layer_gates(const Gates& gates, const ModelConfig& config, int layer);

}  // namespace espalier
