// Attention over packed rows, for every backend.
#pragma once

#include "core/model/model.h"
#include "core/model/token_rows.h"

namespace espalier {

// query_key_value [N, 3 h d] -> context [N, h d]; `bias` undefined or by distance, see
// kernels/ragged_attention.h. Our kernel where it fits (float32 on the CPU, no maps asked for),
// else LibTorch's operators over a padded grid: softmax's output [B,h,T,T] then goes to `maps` when
// it is not null, zero where a query or key is padding. p drops probabilities. Float32 on the CPU
// is multiplied in float32 whatever `precision` says, maps or not; elsewhere the products obey it.
Tensor attend_rows(const Tensor& query_key_value, const TokenRows& rows, int64_t heads,
                   const Tensor& bias, double p, Tensor* maps,
                   const MatmulPrecision& precision = {});

// The relative-position bias of all original heads by distance, [H, 2T-1] for T = `longest`;
// undefined in models without one. Layers share it: it is made once a walk, and its gradient is
// their sum. Buckets as in T5 (Raffel et al., JMLR 2020), bidirectional: half of them for keys
// behind the query's position, of each half the lower half exact, the rest logarithmic up to
// relative_max_distance.
Tensor relative_bias(const Model& model, int64_t longest);
// Of such a bias what a layer's kept heads add, [h, 2T-1].
Tensor kept_bias(const Model& model, int layer, const Tensor& bias);
int64_t relative_bucket(int64_t distance, int64_t buckets, int64_t max_distance);

}  // namespace espalier
