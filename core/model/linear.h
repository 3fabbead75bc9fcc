// One linear layer in any of its stored forms.
#pragma once

#include "core/model/matmul_precision.h"

namespace espalier {

// y = x W^T + b.  dense: `weight` [N,K].  masked: `mask` [N,K] multiplies the weight.
// factored: W = up . diag(rank gate) . down with `down` [r,K] and `up` [N,r], and `weight`
// undefined.
struct Linear {
  Tensor weight, bias;  // bias [N], may be undefined
  Tensor mask;          // 0 or 1 in the weight's dtype; undefined: none
  Tensor down, up;

  bool defined() const { return weight.defined() || up.defined(); }
  bool factored() const { return up.defined(); }
  int64_t inputs() const { return factored() ? down.size(1) : weight.size(1); }
  int64_t outputs() const { return factored() ? up.size(0) : weight.size(0); }

  // x [..., K] -> [..., N] of x's dtype. Gates may be undefined: weight_gate [N,K], rank_gate [r].
  Tensor forward(const Tensor& x, const Tensor& weight_gate = {}, const Tensor& rank_gate = {},
                 const MatmulPrecision& precision = {}) const;
  // The weight of a layer that is not factored, times mask and gate, [N,K].
  Tensor gated_weight(const Tensor& weight_gate) const;
  // The weight as it acts, [N,K].
  Tensor effective_weight() const;
  // Keeps these outputs (rows) or inputs (columns); int64 indices.
  void keep_outputs(const Tensor& index);
  void keep_inputs(const Tensor& index);
  // Multiplies outputs (rows and bias) or inputs (columns) by a vector.
  void scale_outputs(const Tensor& factor);
  void scale_inputs(const Tensor& factor);
};

struct Norm {
  Tensor weight, bias;  // [D]
  bool defined() const { return weight.defined(); }
  Tensor forward(const Tensor& x, double eps) const;  // x [..., D]
};

}  // namespace espalier
