// The feed-forward sub-layer, y = down(gelu(up(x))), a few hundred tokens at a time: what stands
// between the two products is made, used and forgotten in the cache. Only up's output is kept for
// backward, which makes gelu's again; LibTorch's operators would keep both, [N,F] each, and walk
// through memory for every one of them.
#pragma once

#include <torch/types.h>

#include <string>

namespace espalier {

// x [N,D], up_weight [F,D], up_bias [F], down_weight [D,F], down_bias [D]; any floating dtype and
// device, the same for all; differentiable in all of them. `approximate` is at::gelu's: "none"
// (erf) or "tanh". In bf16, gelu computes in fp32 and rounds, and what is summed over blocks is
// summed in fp32.
torch::Tensor feed_forward(const torch::Tensor& x, const torch::Tensor& up_weight,
                           const torch::Tensor& up_bias, const torch::Tensor& down_weight,
                           const torch::Tensor& down_bias, const std::string& approximate);

}  // namespace espalier
