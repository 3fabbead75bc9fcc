// One layer of a served model as a few passes over its rows: weights in panels
// (kernels/panel_linear.h), q, k and v in one product, attention over ragged rows, activation,
// residual and LayerNorm where the numbers still lie in the cache.
//
// Two ways to share the work among threads, chosen by how much there is:
//   streams   whole rows are cut into chunks of some hundred tokens, and a thread takes a chunk
//             through the sub-layer alone: nobody waits for anybody
//   together  few tokens: each product's outputs are divided, with a wait between products; the
//             weight, which is what has to be read then, is read once
// An answer does not depend on the way: every number is summed by one thread in one order.
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
  struct NormWeights {
    std::vector<float> weight, bias;
    bool empty() const { return weight.empty(); }
  };
  static NormWeights norm_weights(const Norm& norm);
  void normalise(const NormWeights& norm, const float* x, int64_t rows, float* y) const;
  class Bias;
  void attend_rows(const FusedRows& rows, int64_t first, int64_t last, int64_t head_first,
                   int64_t head_last, const Bias& bias, const float* qkv, float* context,
                   float* scratch) const;

  int64_t width_ = 0, heads_ = 0, head_dim_ = 0;
  bool norm_first_ = false;
  double eps_ = 0;
  kernels::After activation_ = kernels::After::kNothing;
  kernels::PanelLinear query_key_value_, output_, up_, down_;
  NormWeights attention_norm_, ffn_norm_;
};

}  // namespace espalier::runtime
