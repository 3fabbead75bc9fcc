// Most classic pruners are only this: a number per unit, low = prune first.
#pragma once

#include "core/method/method.h"

namespace espalier {

enum class Scope { kWeight, kStructure };  // single weights, or heads and neurons

// One gated tensor: a weight by name, or the heads or neurons of one layer.
struct Unit {
  enum class Kind { kWeight, kHead, kNeuron };
  Kind kind;
  std::string name;  // kWeight: Linear name
  int layer = 0;
  int64_t count = 0;      // units in it
  double parameters = 0;  // parameters that one unit holds
};

class Score {
 public:
  virtual ~Score() = default;
  // Batches of gradients wanted before the first cut (one-shot pruners).
  virtual int64_t rounds() const { return 0; }
  // Whether the gates must carry gradients at every step.
  virtual bool reads_gate_gradients() const { return false; }
  // After backward. `weight` and `weight_grad` are defined for kWeight units, `gate_grad` where
  // asked for.
  virtual void see(const Unit&, const Tensor& weight, const Tensor& weight_grad,
                   const Tensor& gate_grad) {}
  // Value of every unit, of the gate's shape.
  virtual Tensor value(const Unit&, const Tensor& weight) const = 0;
  virtual void save(State&) const {}
  virtual void load(const State&) {}
};

}  // namespace espalier
