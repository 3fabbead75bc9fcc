// One layer of a served model for few tokens, in a few passes over its rows: weights in panels
// (kernels/panel_linear.h), q, k and v in one product, attention over ragged rows, activation,
// residual and LayerNorm where the numbers still lie in the cache. The threads share the outputs of
// each product and wait for each other between products; the weight, whose reading is what takes
// the time then, is read once.
#pragma once

#include <vector>

#include "core/kernels/panel_linear.h"
#include "core/model/model.h"

namespace espalier::runtime {

// Rows of a batch that lie one after the other: [offsets.back(), D].
struct FusedRows {
  const float* x;
  float* y;
  const std::vector<int64_t>& offsets;  // [B+1]
};

class FusedLayer {
 public:
  // Whether a layer of `model` can be fused: fp32 on the CPU, nothing factored.
  static bool fits(const Model& model, int layer);
  FusedLayer(const Model& model, int layer);

  // y = the stream x after the sub-layer. bias: undefined, or as ragged_attention() has it.
  void attend(const FusedRows& rows, const Tensor& bias) const;
  void feed(const FusedRows& rows) const;

 private:
  void normalise(const Norm& norm, const float* x, int64_t rows, float* y) const;

  int64_t width_ = 0, heads_ = 0;
  bool norm_first_ = false;
  double eps_ = 0;
  kernels::After activation_ = kernels::After::kNothing;
  kernels::PanelLinear query_key_value_, output_, up_, down_;
  Norm attention_norm_, ffn_norm_;
};

}  // namespace espalier::runtime
