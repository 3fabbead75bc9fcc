#include "core/model/linear.h"

namespace espalier {

Tensor Linear::forward(const Tensor& x, const Tensor& weight_gate, const Tensor& rank_gate,
                       const MatmulPrecision& precision) const {
  auto multiply = [&](const Tensor& in, const Tensor& by, const Tensor& plus) {
    return at::linear(precision.operand(in), precision.weight(by), precision.weight(plus))
        .to(x.scalar_type());
  };
  if (!factored()) return multiply(x, gated_weight(weight_gate), bias);
  Tensor inner = multiply(x, down, {});
  if (rank_gate.defined()) inner = inner * rank_gate;
  return multiply(inner, up, bias);
}

Tensor Linear::gated_weight(const Tensor& weight_gate) const {
  Tensor w = weight;
  if (mask.defined()) w = w * mask;
  if (weight_gate.defined()) w = w * weight_gate;
  return w;
}

Tensor Linear::effective_weight() const {
  return factored() ? at::matmul(up, down) : gated_weight({});
}

void Linear::keep_outputs(const Tensor& index) {
  if (factored()) {
    up = up.index_select(0, index);
  } else {
    weight = weight.index_select(0, index);
    if (mask.defined()) mask = mask.index_select(0, index);
  }
  if (bias.defined()) bias = bias.index_select(0, index);
}

void Linear::keep_inputs(const Tensor& index) {
  if (factored()) {
    down = down.index_select(1, index);
  } else {
    weight = weight.index_select(1, index);
    if (mask.defined()) mask = mask.index_select(1, index);
  }
}

void Linear::scale_outputs(const Tensor& factor) {
  (factored() ? up : weight) = (factored() ? up : weight) * factor.unsqueeze(1);
  if (bias.defined()) bias = bias * factor;
}

void Linear::scale_inputs(const Tensor& factor) {
  (factored() ? down : weight) = (factored() ? down : weight) * factor.unsqueeze(0);
}

Tensor Norm::forward(const Tensor& x, double eps) const {
  return at::layer_norm(x, {x.size(-1)}, weight, bias, eps);
}

}  // namespace espalier
