// Inverted dropout (Srivastava et al., JMLR 2014): a value is zeroed with probability p, else
// scaled by 1/(1-p).
//
// On the CPU, LibTorch draws its masks one by one from a Mersenne twister, a tenth of a training
// step. Here an element's fate is a hash of (key, index): the loop vectorises and runs on every
// core, the backward pass draws the mask again instead of keeping it, and no result depends on the
// number of threads. The key comes from LibTorch's default generator, so at::manual_seed governs
// it. Elsewhere this is at::dropout.
#pragma once

#include <torch/types.h>

namespace espalier {

// Any shape, p in [0,1). Float32 on the CPU goes the fast way.
torch::Tensor dropout(const torch::Tensor& x, double p);

// The next 64 bits of LibTorch's default CPU generator: what names a stream of dropout decisions.
uint64_t draw_dropout_key();

}  // namespace espalier
