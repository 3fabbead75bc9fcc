#include "core/kernels/attention_unit.h"

#include <algorithm>
#include <cmath>

#include "core/kernels/small_product.h"

namespace espalier::kernels {
namespace {

// [tokens, width] with a stride -> dense with whole vectors, the rest zero.
ESPALIER_INLINE void gather(const float* from, int64_t tokens, int64_t width, int64_t stride,
                            float* to) {
  const int64_t columns = whole_lanes(width);
  for (int64_t t = 0; t < tokens; ++t) {
    std::memcpy(to + t * columns, from + t * stride, static_cast<size_t>(width) * sizeof(float));
    for (int64_t k = width; k < columns; ++k) to[t * columns + k] = 0;
  }
}

// The transpose, [width, tokens], with whole vectors of tokens. By vectors of tokens, whose lines
// then stay in the first cache over all k.
ESPALIER_INLINE void gather_transposed(const float* from, int64_t tokens, int64_t width,
                                       int64_t stride, float* to) {
  const int64_t columns = whole_lanes(tokens);
  for (int64_t first = 0; first < tokens; first += kLanes) {
    const int64_t last = std::min(first + kLanes, tokens);
    for (int64_t k = 0; k < width; ++k) {
      for (int64_t t = first; t < last; ++t) to[k * columns + t] = from[t * stride + k];
      for (int64_t t = last; t < first + kLanes; ++t) to[k * columns + t] = 0;
    }
  }
}

// The way back, times `factor`; `from` is scaled in place.
ESPALIER_INLINE void scatter(float* from, int64_t tokens, int64_t width, int64_t stride,
                             float factor, float* to) {
  const int64_t columns = whole_lanes(width);
  for (int64_t i = 0; factor != 1 && i < tokens * columns; i += kLanes)
    store(from + i, load(from + i) * factor);
  for (int64_t t = 0; t < tokens; ++t)
    std::memcpy(to + t * stride, from + t * columns, static_cast<size_t>(width) * sizeof(float));
}

// Query i's products with the keys become scores.
ESPALIER_INLINE void score_row(const AttentionUnit& unit, int64_t i, float* scores) {
  const int64_t columns = whole_lanes(unit.tokens);
  for (int64_t j = 0; j < columns; j += kLanes) {
    Lanes x = load(scores + j) * unit.scale;
    if (unit.bias != nullptr) x += load(unit.bias - i + j);
    store(scores + j, x);
  }
}

// Scores of one query become probabilities; returns the log of their sum of exponentials. What
// stands behind the last key becomes 0.
ESPALIER_INLINE float softmax_row(float* scores, int64_t tokens) {
  const int64_t columns = whole_lanes(tokens);
  Lanes top = spread(-INFINITY);
  for (int64_t j = 0; j < columns; j += kLanes) {
    for (int64_t k = std::max(j, tokens); k < j + kLanes; ++k) scores[k] = -INFINITY;
    top = larger(top, load(scores + j));
  }
  const float peak = largest(top);
  Lanes total = {};
  for (int64_t j = 0; j < columns; j += kLanes) {
    const Lanes x = exponential(load(scores + j) - peak);
    store(scores + j, x);
    total += x;
  }
  const float all = sum(total), share = 1 / all;
  for (int64_t j = 0; j < columns; j += kLanes) store(scores + j, load(scores + j) * share);
  return peak + std::log(all);
}

ESPALIER_INLINE Lanes survivors_at(const AttentionUnit& unit, int64_t i) {
  return survivors(unit.drop, unit.index + static_cast<uint64_t>(i));
}

ESPALIER_INLINE void drop_scores(const AttentionUnit& unit, float* scores) {
  if (unit.drop.threshold == 0) return;
  for (int64_t i = 0; i < unit.queries * whole_lanes(unit.tokens); i += kLanes)
    store(scores + i, load(scores + i) * survivors_at(unit, i));
}

// dropped = scores M and upstream = upstream M, where M is drawn once.
ESPALIER_INLINE void drop_both(const AttentionUnit& unit, const float* scores, float* dropped,
                               float* upstream) {
  const int64_t size = unit.queries * whole_lanes(unit.tokens);
  if (unit.drop.threshold == 0) {
    std::memcpy(dropped, scores, static_cast<size_t>(size) * sizeof(float));
    return;
  }
  for (int64_t i = 0; i < size; i += kLanes) {
    const Lanes kept = survivors_at(unit, i);
    store(dropped + i, load(scores + i) * kept);
    store(upstream + i, load(upstream + i) * kept);
  }
}

}  // namespace

AttentionUnit unit_of(const AttentionRow& row, int64_t head, const DistanceBias& bias) {
  const int64_t all = row.heads * row.width;
  const float* query = row.query_key_value + head * row.width;
  return {.query = query,
          .key = query + all,
          .value = query + 2 * all,
          .bias = bias.values == nullptr ? nullptr : bias.values + head * bias.stride + bias.reach,
          .tokens = row.tokens,
          .queries = row.tokens,
          .width = row.width,
          .stride = row.stride,
          .scale = 1 / std::sqrt(static_cast<float>(row.width)),
          .drop = {},
          .index = 0};
}

int64_t forward_scratch(int64_t tokens, int64_t width) {
  return tokens * whole_lanes(tokens) + width * whole_lanes(tokens) +
         2 * tokens * whole_lanes(width);
}

ESPALIER_CLONES void attend_forward(const AttentionUnit& unit, float* scratch, float* context,
                                    int64_t context_stride, float* log_sums, int64_t log_stride) {
  const int64_t n = unit.tokens, m = unit.queries, d = unit.width;
  const int64_t columns = whole_lanes(n), wide = whole_lanes(d);
  float* scores = scratch;
  float* keys = scores + n * columns;
  float* values = keys + d * columns;
  float* mixed = values + n * wide;
  gather_transposed(unit.key, n, d, unit.stride, keys);
  multiply_small(m, columns, d, {unit.query, unit.stride, 1}, keys, scores);
  for (int64_t i = 0; i < m; ++i) {
    score_row(unit, i, scores + i * columns);
    log_sums[i * log_stride] = softmax_row(scores + i * columns, n);
  }
  drop_scores(unit, scores);
  gather(unit.value, n, d, unit.stride, values);
  multiply_small(m, wide, n, {scores, columns, 1}, values, mixed);
  scatter(mixed, m, d, context_stride, 1, context);
}

int64_t backward_scratch(int64_t tokens, int64_t width) {
  return 3 * tokens * whole_lanes(tokens) + width * whole_lanes(tokens) +
         2 * tokens * whole_lanes(width);
}

// With P the probabilities, M the dropout mask and C' the context's gradient:
//   V' = (P M)^T C';  G = (C' V^T) M;  S = P (G - sum(G P));  Q' = S K / sqrt(d);  K' = S^T Q /
//   sqrt(d)
ESPALIER_CLONES void attend_backward(const AttentionUnit& unit, float* scratch, const float* grad,
                                     int64_t grad_stride, const float* log_sums, int64_t log_stride,
                                     const AttentionGrads& out) {
  const int64_t n = unit.tokens, m = unit.queries, d = unit.width;
  const int64_t columns = whole_lanes(n), wide = whole_lanes(d);
  float* scores = scratch;                  // P, then S
  float* dropped = scores + n * columns;    // P M
  float* upstream = dropped + n * columns;  // G
  float* flat = upstream + n * columns;     // a transposed operand
  float* dense = flat + d * columns;        // a dense operand
  float* product = dense + n * wide;

  gather_transposed(unit.key, n, d, unit.stride, flat);
  multiply_small(m, columns, d, {unit.query, unit.stride, 1}, flat, scores);
  for (int64_t i = 0; i < m; ++i) {
    float* row = scores + i * columns;
    const float log_sum = log_sums[i * log_stride];
    score_row(unit, i, row);
    for (int64_t j = 0; j < columns; j += kLanes)
      store(row + j, exponential(load(row + j) - log_sum));
    for (int64_t j = n; j < columns; ++j) row[j] = 0;
  }
  gather_transposed(unit.value, n, d, unit.stride, flat);
  multiply_small(m, columns, d, {grad, grad_stride, 1}, flat, upstream);
  drop_both(unit, scores, dropped, upstream);

  gather(grad, m, d, grad_stride, dense);
  multiply_small(n, wide, m, {dropped, 1, columns}, dense, product);
  scatter(product, n, d, unit.stride, 1, out.value);

  for (int64_t i = 0; i < m; ++i) {
    float *row = scores + i * columns, *up = upstream + i * columns;
    Lanes total = {};
    for (int64_t j = 0; j < columns; j += kLanes) total += load(row + j) * load(up + j);
    const float inner = sum(total);
    for (int64_t j = 0; j < columns; j += kLanes) {
      const Lanes x = load(row + j) * (load(up + j) - inner);
      store(row + j, x);
      if (out.bias != nullptr) store(out.bias - i + j, load(out.bias - i + j) + x);
    }
  }
  gather(unit.key, n, d, unit.stride, dense);
  multiply_small(m, wide, n, {scores, columns, 1}, dense, product);
  scatter(product, m, d, unit.stride, unit.scale, out.query);
  gather(unit.query, m, d, unit.stride, dense);
  multiply_small(n, wide, m, {scores, 1, columns}, dense, product);
  scatter(product, n, d, unit.stride, unit.scale, out.key);
}

}  // namespace espalier::kernels
