// Second moments of what the layers' output matrices multiply: for methods that reconstruct a
// sub-layer's output from fewer of its inputs (ziplm, refit).
//
// In float64: a least-squares solution is as exact as they are. They take 8 (F^2 + A^2) bytes a
// layer of F neurons and heads of A columns together: 6 layers of MiniLM 0.12 GB, BERT base 0.9 GB.
#pragma once

#include <span>
#include <vector>

#include "core/method/method.h"

namespace espalier {

// Of rows x [N,n] with weights w [N] (undefined: 1 each).
struct Moments {
  Tensor products;   // [n,n] float64, sum w x x^T; undefined before the first add()
  Tensor sum;        // [n] float64, sum w x
  double total = 0;  // sum w
  void add(const Tensor& x, const Tensor& w = {});
  Tensor mean() const { return sum / total; }
  // About the mean: what is left to explain beside a constant.
  Tensor centred() const { return products - sum.outer(sum) / total; }
};

struct LayerMoments {
  Moments attention, ffn;  // of `output`'s and `down`'s inputs; without products: it does not act
};

// What each of a layer's rows counts, [N] float64. From the last layer on that attends, where the
// head reads first tokens and nothing else, these count as much as all others together: their error
// is the one that reaches the answers, and they alone, one a row, may be fewer than a layer has
// neurons. Undefined where all count the same. `gates` are sealed or empty; `first`: what a first
// token counts then, first_token_weight() of all batches that are summed.
Tensor token_weights(const ModelConfig& config, const Gates& gates, int layer, const Batch& batch,
                     double first);
double first_token_weight(std::span<const Batch> batches);

// At least so many rows that training draws from, by draws from `draw` on; `draw` becomes the next.
std::vector<Batch> sample_rows(const Session& session, int64_t rows, int64_t& draw);

// One walk over the batches, without dropout or gradients, every token in every layer. `gates` are
// sealed or empty. On the CPU.
std::vector<LayerMoments> input_moments(const Model& model, const Gates& gates,
                                        std::span<const Batch> batches);

}  // namespace espalier
