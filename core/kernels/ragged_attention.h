// Softmax attention over packed rows: every row of a batch attends to its own tokens and to nothing
// else, and no padding exists.
//
//   context = dropout(softmax(Q K^T / sqrt(d) + bias)) V     for each row and head
//
// The bias, if there is one, belongs to a head and to the distance key - query (MPNet, T5).
//
// LibTorch has no such kernel for the CPU: its fused attention wants padded rows, and with dropout
// falls back to one that keeps [B,H,T,T] three times. Here a thread takes one row and head at a
// time, forward keeps only the log of each softmax's sum, and backward draws probabilities and
// dropout mask again (the recomputation of Dao et al., arXiv 2205.14135; rows of an encoder are
// short enough that a row's T x T scores fit the cache, so there is no tiling over keys). The
// result does not depend on the number of threads.
#pragma once

#include <torch/types.h>

#include <vector>

namespace espalier {

// Whose context is computed: every token's, or of each row the first one's alone.
enum class Queries { kEvery, kFirst };

// query_key_value [N, 3 H d]: the query columns of all heads, then the keys', then the values'.
// offsets [B+1]: first token of each row, N at the end. bias: undefined, or [H, 2T-1] with T at
// least the longest row; column T-1 is distance 0. Returns [N, H d], or [B, H d] for kFirst.
// Float32 on the CPU; differentiable. p in [0,1) drops probabilities, with a key from LibTorch's
// CPU generator.
torch::Tensor ragged_attention(const torch::Tensor& query_key_value,
                               const std::vector<int64_t>& offsets, int64_t heads,
                               const torch::Tensor& bias = {}, double p = 0,
                               Queries queries = Queries::kEvery);

}  // namespace espalier
