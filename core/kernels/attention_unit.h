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

// Biases of all heads by distance: [heads, stride], readable kLanes beyond the last distance.
struct DistanceBias {
  const float* values = nullptr;  // null: none
  int64_t stride = 0, reach = 0;  // reach: the column of distance 0
};

// A row's tokens, of which the queries, the keys and the values of all heads lie beside each other:
// [tokens, 3 heads width] with `stride` between tokens.
struct AttentionRow {
  const float* query_key_value;
  int64_t tokens, heads, width, stride;
};

// One head of it: every token asks, nothing is dropped.
AttentionUnit unit_of(const AttentionRow& row, int64_t head, const DistanceBias& bias);

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
