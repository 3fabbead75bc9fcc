// One layer of a served model, in a few passes over its rows: weights in panels
// (fused_product.h), q, k and v in one product, attention over ragged rows, activation,
// residual and LayerNorm where the numbers still lie in the cache.
//
// Of few tokens the threads share the outputs of each product and wait for each other between
// products: reading the weight is what takes the time then, and it is read once. Of many, each
// thread takes some rows through the whole sub-layer and waits for nobody; what it keeps between
// the steps stays in its second cache, and the weight in the third. A token's numbers are the same
// either way.
#pragma once

#include <span>
#include <vector>

#include "core/kernels/attention_unit.h"
#include "core/kernels/panel_linear.h"
#include "core/model/model.h"
#include "core/runtime/fused_product.h"
#include "core/runtime/scratch.h"

namespace espalier::runtime {

// Rows of a batch that lie one after the other: x and y [offsets.back(), D]. y may be x.
struct FusedRows {
  const float* x;
  float* y;
  const std::vector<int64_t>& offsets;  // [B+1]
};

class FusedLayer {
 public:
  // Whether a layer of `model` can be fused: FusedProduct::fits() all that it has.
  static bool fits(const Model& model, int layer, Precision products);
  // Weights that as_stored() has not rounded are rounded here.
  FusedLayer(const Model& model, int layer, Precision products);

  // y = the stream x after the sub-layer; `team` has one of the pool's threads each. bias:
  // undefined, or as ragged_attention() has it.
  void attend(const FusedRows& rows, const Tensor& bias, Team team) const;
  // Of each row's first token alone: y [B, D], and not x.
  void attend_firsts(const FusedRows& rows, const Tensor& bias, Team team) const;
  void feed(const FusedRows& rows, Team team) const;

 private:
  // Some of a batch's tokens.
  struct Part {
    const float* x;
    float* y;
    int64_t tokens;
  };

  // Where the heads of rows read and write. Queries of first tokens alone lie by themselves, one a
  // row; null: every token asks.
  struct Heads {
    ConstMatrix query_key_value, first_queries;
    Matrix context;
  };

  // attend_one(x, offsets, first row, biases, team) for some rows after the other.
  template <class Attend>
  void attend_parts(const FusedRows& rows, const Tensor& bias, Team team,
                    Attend&& attend_one) const;
  void attend_part(const Part& part, std::span<const int64_t> offsets,
                   const kernels::DistanceBias& bias, Team team) const;
  void attend_firsts_part(const Part& part, std::span<const int64_t> offsets,
                          const kernels::DistanceBias& bias, Team team) const;
  // What attention reads of the part's stream: itself, or its norm.
  const float* attention_input(const Part& part, Scratch& scratch) const;
  void attend_heads(const Heads& heads, std::span<const int64_t> offsets,
                    const kernels::DistanceBias& bias, Team team) const;
  void feed_part(const Part& part, Team team) const;
  void normalise(const Norm& norm, const float* x, int64_t rows, float* y) const;

  int64_t width_ = 0, heads_ = 0;
  bool norm_first_ = false;
  double eps_ = 0;
  kernels::After activation_ = kernels::After::kNothing;
  FusedProduct query_key_value_, output_, up_, down_;
  Norm attention_norm_, ffn_norm_;
};

}  // namespace espalier::runtime
