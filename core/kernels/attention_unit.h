// Attention of one row of a batch and one head: forward and backward on plain memory, in one
// thread. ragged_attention.h spreads them over a batch.
#pragma once

#include "core/kernels/lanes.h"

namespace espalier::kernels {

// Where the matrices lie: K and V are [tokens, width] with `stride` between tokens, Q [queries,
// width] with the same.
struct AttentionUnit {
  const float *query, *key, *value;
  const float* bias;  // at distance 0, readable kLanes beyond the last; null: none
  int64_t tokens, queries, width, stride;  // queries: the first ones, at most `tokens`
  float scale;
  DropKey drop;
  uint64_t index;  // place of its first probability in the stream of dropout decisions
};

// Floats of scratch memory, best at a multiple of 64 bytes, that a unit of this size needs.
int64_t forward_scratch(int64_t tokens, int64_t width);
int64_t backward_scratch(int64_t tokens, int64_t width);

// context [queries, width] with context_stride. log_sums: the log of each query's sum of
// exponentials, log_stride between them, for backward.
void attend_forward(const AttentionUnit& unit, float* scratch, float* context,
                    int64_t context_stride, float* log_sums, int64_t log_stride);

struct AttentionGrads {
  float *query, *key, *value;  // with the unit's own stride
  float* bias;                 // at distance 0, to be added to; null: none
};

// grad: of the context.
void attend_backward(const AttentionUnit& unit, float* scratch, const float* grad,
                     int64_t grad_stride, const float* log_sums, int64_t log_stride,
                     const AttentionGrads& out);

}  // namespace espalier::kernels
