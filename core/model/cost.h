// What a model with gates costs: exact for open and closed units, differentiable for probabilities.
#pragma once

#include "core/model/gates.h"

namespace espalier {

class Cost {
 public:
  // Counts against `config`, the model that the gates belong to.
  explicit Cost(const ModelConfig& config) : config_(config) {}

  // Parameters of the layers (weights, biases, norms) expected to be left when each unit is open
  // with its probability; scalar, double. Undefined gates are open. A fine unit is there when it
  // and its sub-layer are; both fine and coarse gates are taken as independent, as CoFi does. Exact
  // where all probabilities are 0 or 1 and a sub-layer with no unit has its coarse gate at 0.
  Tensor expected_parameters(const Gates& open) const;
  // The same for binary gates, with sub-layers that lost all units counted as gone.
  double actual_parameters(const Gates& gates) const;
  double dense_parameters() const { return count(config_, 1).encoder_parameters; }

 private:
  ModelConfig config_;
};

}  // namespace espalier
