// Attention over packed rows, for every backend.
#pragma once

#include "core/kernels/ragged_attention.h"
#include "core/model/model.h"
#include "core/model/token_rows.h"
#include "core/model/trace.h"

namespace espalier {

// query_key_value [N, 3 h d] -> context [N, h d]; `bias` undefined or by distance, see
// kernels/ragged_attention.h. Our kernel where it fits (float32 on the CPU, no maps asked for),
// else LibTorch's operators over a padded grid, which fill in `maps` unless it is null. p drops
// probabilities. Float32 on the CPU is multiplied in float32 whatever `precision` says, maps or
// not; elsewhere the products obey it.
// Queries::kFirst: [B, h d], as if `rows.first` were taken of the context.
Tensor attend_rows(const Tensor& query_key_value, const TokenRows& rows, int64_t heads,
                   const Tensor& bias, double p, AttentionMaps* maps,
                   const MatmulPrecision& precision = {}, Queries queries = Queries::kEvery);

// The relative-position bias of all original heads by distance (spec/relative_bucket.h), [H, 2T-1]
// for T = `longest`; undefined in models without one. Layers share it: it is made once a walk, and
// its gradient is their sum.
Tensor relative_bias(const Model& model, int64_t longest);
// Of such a bias what a layer's kept heads add, [h, 2T-1].
Tensor kept_bias(const Model& model, int layer, const Tensor& bias);

}  // namespace espalier
