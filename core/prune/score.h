// Most classic pruners are only this: a number per unit, low = prune first.
#pragma once

#include <string>

#include "core/method/method.h"

namespace espalier {

// What is pruned: single weights, heads and neurons, whole attention and FFN sub-layers, or layers.
enum class Scope { kWeight, kStructure, kSublayer, kLayer };

// Option `scope` of a method that can have any.
void read_scope(OptionReader& reader, Scope& scope);

// One gated tensor: a weight by name, the heads or neurons of one layer, one sub-layer or a layer.
struct Unit {
  enum class Kind { kWeight, kHead, kNeuron, kAttention, kFfn, kLayer };
  Kind kind;
  std::string name;  // kWeight: Linear name
  int layer = 0;
  int64_t count = 0;  // units in it
  double cost = 0;    // of one of them

  // For states and seeds: "head.3".
  std::string key() const;
};

// All of a scope in a model, those that are there.
std::vector<Unit> units_of(const Model& model, Scope scope, const Cost& cost);

// What the units are made of, norms apart: of kWeight the weight itself [N,K], else a row for each
// unit with all its weights and biases [count, n].
Tensor unit_weights(const Model& model, const Unit& unit);

class Score {
 public:
  virtual ~Score() = default;
  virtual void prepare(Session&) {}
  // Batches of gradients wanted before the first cut (one-shot pruners).
  virtual int64_t rounds() const { return 0; }
  // Whether the gates must carry gradients at every step.
  virtual bool reads_gate_gradients() const { return false; }
  // After backward. `weight` and `weight_grad` are defined for kWeight units, `gate_grad` where
  // asked for.
  virtual void see(const Unit&, const Tensor& weight, const Tensor& weight_grad,
                   const Tensor& gate_grad) {}
  // Value of every unit, of the gate's shape.
  virtual Tensor value(const Unit&, const Model& model) const = 0;
  virtual void save(State&) const {}
  virtual void load(const State&) {}
};

}  // namespace espalier
