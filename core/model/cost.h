// What a model with gates costs: exact for open and closed units, differentiable for probabilities.
//
// A cost is a sum over sub-layers, each a function of how many of its units and how many hidden
// dimensions are left, and of what stands beside the layers. What those functions count is a
// CostFunction: parameters, multiply-accumulates, or milliseconds (latency_table.h).
#pragma once

#include <memory>

#include "core/model/gates.h"
#include "core/spec/precision.h"

namespace espalier {

// Numbers of units are scalars, double, on the CPU, not necessarily whole; so is what is returned,
// with a graph where they have one.
class CostFunction {
 public:
  virtual ~CostFunction() = default;
  virtual Tensor attention(int layer, const Tensor& heads, const Tensor& hidden) const = 0;
  virtual Tensor ffn(int layer, const Tensor& neurons, const Tensor& hidden) const = 0;
  // Beside the layers.
  virtual Tensor rest(const Tensor& hidden) const = 0;
  // What a single closed weight saves, while its matrix keeps its shape.
  virtual double single_weight() const { return 0; }
};

class Cost {
 public:
  // Counts against `config`, the model that the gates belong to: parameters of the layers (weights,
  // biases, norms).
  explicit Cost(const ModelConfig& config);
  Cost(const ModelConfig& config, std::shared_ptr<const CostFunction> function);

  // Expected when each unit is open with its probability; scalar, double. Undefined gates are open.
  // A fine unit is there when it and its sub-layer are; both fine and coarse gates are taken as
  // independent, as CoFi does, and a function is taken of expected numbers. Exact where all
  // probabilities are 0 or 1 and a sub-layer with no unit has its coarse gate at 0.
  Tensor expected(const Gates& open) const;
  // The same for binary gates, with sub-layers that lost all units counted as gone.
  double actual(const Gates& gates) const;
  double dense() const { return dense_; }
  // 1 - actual / dense.
  double share_gone(const Gates& gates) const { return 1 - actual(gates) / dense_; }

  // Of all open units, one's share of its sub-layer, which it leaves with all others but its own
  // bias and norm; and a whole sub-layer's.
  double of_head(int layer) const;
  double of_neuron(int layer) const;
  double of_attention(int layer) const;
  double of_ffn(int layer) const;
  double single_weight() const { return function_->single_weight(); }

 private:
  ModelConfig config_;
  std::shared_ptr<const CostFunction> function_;
  double dense_;
};

// Parameters: of the layers alone, which single weights count among, or, with `all`, those that the
// whole model is stored with, whose embeddings and heads shrink with the hidden dimension.
std::shared_ptr<const CostFunction> parameters_cost(const ModelConfig& config, bool all = false);
// Bytes that the whole model takes in model.safetensors in a precision (spec/stored_weights.h).
std::shared_ptr<const CostFunction> bytes_cost(const ModelConfig& config, Precision precision);
// Multiply-accumulates of one example of so many tokens, as count() has them.
std::shared_ptr<const CostFunction> macs_cost(const ModelConfig& config, int tokens);

}  // namespace espalier
