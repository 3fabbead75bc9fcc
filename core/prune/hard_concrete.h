// Hard-concrete gates (Louizos et al. 2018, arXiv 1712.01312): a number in [0,1] that is exactly 0
// or 1 with some probability and still has a gradient. Pure functions of the logits `log_alpha`.
//
// With s = sigmoid((log u - log(1 - u) + log_alpha) / temperature) for a uniform u, a sample is
// clamp(s (high - low) + low, 0, 1), and P(it is not 0) = sigmoid(log_alpha - temperature
// log(-low / high)).
#pragma once

#include <torch/types.h>

namespace espalier {

using torch::Tensor;

struct HardConcrete {
  double low = -0.1, high = 1.1;
  double temperature = 2.0 / 3;  // CoFi's; FLOP's is 1
  double eps = 1e-6;             // uniforms stay so far from 0 and 1

  // One draw for each logit, differentiable. `uniform` in [0,1], of the logits' shape.
  Tensor sample(const Tensor& log_alpha, const Tensor& uniform) const;
  // P(gate is not 0), differentiable. CoFi's code clamps it to [1e-6, 1 - 1e-6], where its clamped
  // logits never are; FLOP's logits are free, and beyond such a clamp would have no gradient.
  Tensor open_probability(const Tensor& log_alpha) const;
  // What an open gate is set to where nothing is sampled: sigmoid(0.8 log_alpha / temperature). The
  // factor is an empirical constant of FLOP's code, which CoFi's keeps.
  Tensor soft_value(const Tensor& log_alpha) const;
  // Gates of one group [n] without a draw: as many as are expected to be 0 (rounded half to even)
  // are, those with the smallest logits, of equal ones the first; the others keep their soft value.
  // `closing` is taken from the logits where zeros are counted, and nowhere else. No gradient.
  Tensor deterministic(const Tensor& log_alpha, double closing = 0) const;
};

}  // namespace espalier
