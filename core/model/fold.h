// fold() makes gates real: zero units disappear, other values move into weights.
//
//   logits(model, gates) = logits(fold(model, gates)), soft gates included.
//
// Writers carry the values, never readers: embeddings, W_o, W_down and the norms' gamma and beta
// take the hidden gate; W_o columns the head gates; W_down columns the neuron gates; the coarse
// gates scale W_o and W_down with their biases. The released CoFi code scales readers instead and
// leaves the norms unscaled, which is not the model that was trained. Weight gates stay as masks
// (they must hold while what is left is trained); rank gates move into the factors.
#pragma once

#include "core/model/gates.h"

namespace espalier {

// What fold kept, for whoever owns tensors of the old shapes (distillation projections).
struct FoldMap {
  Tensor hidden;                       // int64 indices kept; undefined: all
  std::vector<Tensor> heads, neurons;  // by layer
};

// `gates` need not be sealed. The result shares no memory with `model`.
Model fold(const Model& model, const Gates& gates, FoldMap* map = nullptr);

}  // namespace espalier
