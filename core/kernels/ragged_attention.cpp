#include "core/kernels/ragged_attention.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "core/kernels/dropout.h"
#include "core/kernels/lanes.h"

namespace espalier {
namespace {

using kernels::DropKey;
using kernels::kLanes;
using kernels::Lanes;
using kernels::load;
using kernels::spread;
using kernels::store;
using kernels::whole_lanes;
using torch::Tensor;

// One row and head: where its matrices lie. Q, K and V are [tokens, width] with `stride` between
// tokens; `index` is the place of its first probability in the stream of dropout decisions.
struct Unit {
  const float *query, *key, *value;
  const float* bias;  // at distance 0, readable kLanes beyond the last; null: none
  int64_t tokens, width, stride;
  float scale;
  DropKey drop;
  uint64_t index;
};

// R rows of C [m, n] = A B, V vectors of columns: A(i, k) = a[i x a_row + k x a_col], B [depth,
// ldb].
template <int R, int V>
ESPALIER_INLINE void multiply_tile(int64_t depth, const float* a, int64_t a_row, int64_t a_col,
                                   const float* b, int64_t ldb, float* c, int64_t ldc) {
  Lanes sums[R][V] = {};
  for (int64_t k = 0; k < depth; ++k) {
    Lanes right[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) right[v] = load(b + k * ldb + v * kLanes);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const Lanes left = spread(a[r * a_row + k * a_col]);
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sums[r][v] += left * right[v];
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) store(c + r * ldc + v * kLanes, sums[r][v]);
  }
}

template <int V>
ESPALIER_INLINE void multiply_columns(int64_t rows, int64_t depth, const float* a, int64_t a_row,
                                      int64_t a_col, const float* b, int64_t ldb, float* c) {
  int64_t i = 0;
  for (; i + 4 <= rows; i += 4)
    multiply_tile<4, V>(depth, a + i * a_row, a_row, a_col, b, ldb, c + i * ldb, ldb);
  for (; i < rows; ++i)
    multiply_tile<1, V>(depth, a + i * a_row, a_row, a_col, b, ldb, c + i * ldb, ldb);
}

// C [rows, columns] = A B with `columns` whole vectors; B and C are dense.
ESPALIER_INLINE void multiply(int64_t rows, int64_t columns, int64_t depth, const float* a,
                              int64_t a_row, int64_t a_col, const float* b, float* c) {
  int64_t j = 0;
  for (; j + 2 * kLanes <= columns; j += 2 * kLanes)
    multiply_columns<2>(rows, depth, a, a_row, a_col, b + j, columns, c + j);
  if (j < columns) multiply_columns<1>(rows, depth, a, a_row, a_col, b + j, columns, c + j);
}

// [tokens, width] with a stride -> dense with whole vectors, the rest zero.
ESPALIER_INLINE void gather(const float* from, int64_t tokens, int64_t width, int64_t stride,
                            float* to) {
  const int64_t columns = whole_lanes(width);
  for (int64_t t = 0; t < tokens; ++t) {
    std::memcpy(to + t * columns, from + t * stride, static_cast<size_t>(width) * sizeof(float));
    for (int64_t k = width; k < columns; ++k) to[t * columns + k] = 0;
  }
}

// The transpose, [width, tokens], with whole vectors of tokens.
ESPALIER_INLINE void gather_transposed(const float* from, int64_t tokens, int64_t width,
                                       int64_t stride, float* to) {
  const int64_t columns = whole_lanes(tokens);
  for (int64_t k = 0; k < width; ++k) {
    for (int64_t t = 0; t < tokens; ++t) to[k * columns + t] = from[t * stride + k];
    for (int64_t t = tokens; t < columns; ++t) to[k * columns + t] = 0;
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
ESPALIER_INLINE void score_row(const Unit& unit, int64_t i, float* scores) {
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
    top = kernels::larger(top, load(scores + j));
  }
  const float peak = kernels::largest(top);
  Lanes total = {};
  for (int64_t j = 0; j < columns; j += kLanes) {
    const Lanes x = kernels::exponential(load(scores + j) - peak);
    store(scores + j, x);
    total += x;
  }
  const float all = kernels::sum(total), share = 1 / all;
  for (int64_t j = 0; j < columns; j += kLanes) store(scores + j, load(scores + j) * share);
  return peak + std::log(all);
}

ESPALIER_INLINE void drop_scores(const Unit& unit, float* scores) {
  if (unit.drop.threshold == 0) return;
  for (int64_t i = 0; i < unit.tokens * whole_lanes(unit.tokens); i += kLanes) {
    store(scores + i,
          load(scores + i) * kernels::survivors(unit.drop, unit.index + static_cast<uint64_t>(i)));
  }
}

// Floats of scratch memory that one unit needs.
int64_t forward_scratch(int64_t tokens, int64_t width) {
  return tokens * whole_lanes(tokens) + width * whole_lanes(tokens) +
         2 * tokens * whole_lanes(width);
}

ESPALIER_CLONES void attend_forward(const Unit& unit, float* scratch, float* context,
                                    int64_t context_stride, float* log_sums, int64_t log_stride) {
  const int64_t n = unit.tokens, d = unit.width, columns = whole_lanes(n), wide = whole_lanes(d);
  float* scores = scratch;
  float* keys = scores + n * columns;
  float* values = keys + d * columns;
  float* mixed = values + n * wide;
  gather_transposed(unit.key, n, d, unit.stride, keys);
  multiply(n, columns, d, unit.query, unit.stride, 1, keys, scores);
  for (int64_t i = 0; i < n; ++i) {
    score_row(unit, i, scores + i * columns);
    log_sums[i * log_stride] = softmax_row(scores + i * columns, n);
  }
  drop_scores(unit, scores);
  gather(unit.value, n, d, unit.stride, values);
  multiply(n, wide, n, scores, columns, 1, values, mixed);
  scatter(mixed, n, d, context_stride, 1, context);
}

int64_t backward_scratch(int64_t tokens, int64_t width) {
  return 3 * tokens * whole_lanes(tokens) + width * whole_lanes(tokens) +
         2 * tokens * whole_lanes(width);
}

struct UnitGrads {
  float *query, *key, *value;  // with the unit's own stride
  float* bias;                 // at distance 0, to be added to; null: none
};

// With P the probabilities, M the dropout mask and C' the context's gradient:
//   V' = (P M)^T C';  G = (C' V^T) M;  S = P (G - sum(G P));  Q' = S K / sqrt(d);  K' = S^T Q /
//   sqrt(d)
ESPALIER_CLONES void attend_backward(const Unit& unit, float* scratch, const float* grad,
                                     int64_t grad_stride, const float* log_sums, int64_t log_stride,
                                     const UnitGrads& out) {
  const int64_t n = unit.tokens, d = unit.width, columns = whole_lanes(n), wide = whole_lanes(d);
  float* scores = scratch;                  // P, then S
  float* dropped = scores + n * columns;    // P M
  float* upstream = dropped + n * columns;  // G
  float* flat = upstream + n * columns;     // a transposed operand
  float* dense = flat + d * columns;        // a dense operand
  float* product = dense + n * wide;

  gather_transposed(unit.key, n, d, unit.stride, flat);
  multiply(n, columns, d, unit.query, unit.stride, 1, flat, scores);
  for (int64_t i = 0; i < n; ++i) {
    float* row = scores + i * columns;
    const float log_sum = log_sums[i * log_stride];
    score_row(unit, i, row);
    for (int64_t j = 0; j < columns; j += kLanes)
      store(row + j, kernels::exponential(load(row + j) - log_sum));
    for (int64_t j = n; j < columns; ++j) row[j] = 0;
  }
  gather_transposed(unit.value, n, d, unit.stride, flat);
  multiply(n, columns, d, grad, grad_stride, 1, flat, upstream);
  std::memcpy(dropped, scores, static_cast<size_t>(n * columns) * sizeof(float));
  drop_scores(unit, dropped);
  drop_scores(unit, upstream);

  gather(grad, n, d, grad_stride, dense);
  multiply(n, wide, n, dropped, 1, columns, dense, product);
  scatter(product, n, d, unit.stride, 1, out.value);

  for (int64_t i = 0; i < n; ++i) {
    float *row = scores + i * columns, *up = upstream + i * columns;
    Lanes total = {};
    for (int64_t j = 0; j < columns; j += kLanes) total += load(row + j) * load(up + j);
    const float inner = kernels::sum(total);
    for (int64_t j = 0; j < columns; j += kLanes) {
      const Lanes x = load(row + j) * (load(up + j) - inner);
      store(row + j, x);
      if (out.bias != nullptr) store(out.bias - i + j, load(out.bias - i + j) + x);
    }
  }
  gather(unit.key, n, d, unit.stride, dense);
  multiply(n, wide, n, scores, columns, 1, dense, product);
  scatter(product, n, d, unit.stride, unit.scale, out.query);
  gather(unit.query, n, d, unit.stride, dense);
  multiply(n, wide, n, scores, 1, columns, dense, product);
  scatter(product, n, d, unit.stride, unit.scale, out.key);
}

// A batch, its bias made readable beyond the last distance.
struct Problem {
  Tensor in;                          // [N, 3 H d], contiguous
  c10::ArrayRef<int64_t> offsets;     // [B+1]
  Tensor bias;                        // [H, 2T-1 + kLanes] or undefined
  int64_t heads, rows, width, reach;  // reach: T-1, the bias's column of distance 0
  DropKey drop;

  Problem(const Tensor& in_, c10::ArrayRef<int64_t> offsets_, int64_t heads_, const Tensor& bias_,
          double p, uint64_t key)
      : in(in_.contiguous()),
        offsets(offsets_),
        heads(heads_),
        rows(static_cast<int64_t>(offsets_.size()) - 1),
        width(in_.size(1) / (3 * heads_)),
        reach(bias_.defined() ? bias_.size(1) / 2 : 0),
        drop(kernels::drop_key(key, p)) {
    if (bias_.defined()) bias = at::constant_pad_nd(bias_, {0, kLanes}).contiguous();
  }
  int64_t all() const { return heads * width; }
  int64_t begin(int64_t row) const { return offsets[static_cast<size_t>(row)]; }
  int64_t length(int64_t row) const { return begin(row + 1) - begin(row); }
  int64_t longest() const {
    int64_t out = 0;
    for (int64_t row = 0; row < rows; ++row) out = std::max(out, length(row));
    return out;
  }

  // run(unit, row, head, scratch) for all rows and heads, spread over the threads. Heads are the
  // outer loop: the halves of two threads then hold the same rows, so equal work.
  template <class Run>
  void for_each(int64_t scratch_size, Run&& run) const {
    std::vector<uint64_t> first = {0};  // of each row's probabilities, within a head
    for (int64_t row = 0; row < rows; ++row)
      first.push_back(first.back() + static_cast<uint64_t>(length(row) * whole_lanes(length(row))));
    const float* data = in.const_data_ptr<float>();
    const float* biases = bias.defined() ? bias.const_data_ptr<float>() : nullptr;
    at::parallel_for(0, rows * heads, 1, [&](int64_t from, int64_t to) {
      // Vectors start at multiples of their size: crossing cache lines costs.
      std::vector<float> memory(static_cast<size_t>(scratch_size + kLanes));
      const auto start = reinterpret_cast<uintptr_t>(memory.data());
      float* scratch = memory.data() + (64 - start % 64) % 64 / sizeof(float);
      for (int64_t i = from; i < to; ++i) {
        const int64_t head = i / rows, row = i % rows, stride = 3 * all();
        const float* query = data + begin(row) * stride + head * width;
        const Unit unit = {
            query,
            query + all(),
            query + 2 * all(),
            biases == nullptr ? nullptr : biases + head * bias.size(1) + reach,
            length(row),
            width,
            stride,
            1 / std::sqrt(static_cast<float>(width)),
            drop,
            static_cast<uint64_t>(head) * first.back() + first[static_cast<size_t>(row)]};
        run(unit, row, head, scratch);
      }
    });
  }
};

// Context [N, H d] and the log of each softmax's sum, [N, H].
std::pair<Tensor, Tensor> run_forward(const Problem& problem) {
  const int64_t all = problem.all(), heads = problem.heads, tokens = problem.in.size(0);
  Tensor context = at::empty({tokens, all}, problem.in.options());
  Tensor log_sums = at::empty({tokens, heads}, problem.in.options());
  auto* to = context.mutable_data_ptr<float>();
  auto* logs = log_sums.mutable_data_ptr<float>();
  problem.for_each(forward_scratch(problem.longest(), problem.width),
                   [&](const Unit& unit, int64_t row, int64_t head, float* scratch) {
                     const int64_t token = problem.begin(row);
                     attend_forward(unit, scratch, to + token * all + head * unit.width, all,
                                    logs + token * heads + head, heads);
                   });
  return {context, log_sums};
}

// Gradients of query_key_value and of the bias (undefined without one).
std::pair<Tensor, Tensor> run_backward(const Problem& problem, const Tensor& log_sums,
                                       const Tensor& grad) {
  const int64_t all = problem.all(), heads = problem.heads;
  Tensor out = at::empty_like(problem.in), biases;
  // One row of sums for each unit, added up in order: no result depends on who was quicker. A row's
  // vectors reach kLanes beyond the distances, on either side of what its neighbours use.
  const int64_t reach = problem.reach, columns = 2 * reach + 1 + kLanes;
  if (problem.bias.defined())
    biases = at::zeros({heads, problem.rows, columns}, problem.in.options());
  auto* to = out.mutable_data_ptr<float>();
  float* sums = biases.defined() ? biases.mutable_data_ptr<float>() : nullptr;
  const float* from = grad.const_data_ptr<float>();
  const float* logs = log_sums.const_data_ptr<float>();
  problem.for_each(backward_scratch(problem.longest(), problem.width),
                   [&](const Unit& unit, int64_t row, int64_t head, float* scratch) {
                     const int64_t token = problem.begin(row), column = head * unit.width;
                     float* query = to + token * unit.stride + column;
                     float* bias = sums == nullptr
                                       ? nullptr
                                       : sums + (head * problem.rows + row) * columns + reach;
                     attend_backward(unit, scratch, from + token * all + column, all,
                                     logs + token * heads + head, heads,
                                     {query, query + all, query + 2 * all, bias});
                   });
  if (biases.defined()) biases = biases.sum(1).narrow(1, 0, 2 * reach + 1);
  return {out, biases};
}

struct RaggedAttention : torch::autograd::Function<RaggedAttention> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& query_key_value,
                        const std::optional<Tensor>& given, const std::vector<int64_t>& offsets,
                        int64_t heads, double p, int64_t key) {
    const Tensor bias = given.value_or(Tensor());
    Problem problem(query_key_value, offsets, heads, bias, p, static_cast<uint64_t>(key));
    auto [out, log_sums] = run_forward(problem);
    context->save_for_backward({problem.in, log_sums, bias});
    context->saved_data["offsets"] = offsets;
    context->saved_data["heads"] = heads;
    context->saved_data["p"] = p;
    context->saved_data["key"] = key;
    return out;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& grads) {
    auto saved = context->get_saved_variables();
    const auto offsets = context->saved_data["offsets"].toIntVector();
    Problem problem(saved[0], offsets, context->saved_data["heads"].toInt(), saved[2],
                    context->saved_data["p"].toDouble(),
                    static_cast<uint64_t>(context->saved_data["key"].toInt()));
    auto [grad, bias] = run_backward(problem, saved[1], grads[0].contiguous());
    return {grad, bias, {}, {}, {}, {}};
  }
};

}  // namespace

Tensor ragged_attention(const Tensor& query_key_value, const std::vector<int64_t>& offsets,
                        int64_t heads, const Tensor& bias, double p) {
  TORCH_CHECK(query_key_value.is_cpu() && query_key_value.scalar_type() == at::kFloat,
              "ragged_attention takes float32 on the CPU, not ", query_key_value.options());
  TORCH_CHECK(query_key_value.dim() == 2 && heads > 0 && query_key_value.size(1) % (3 * heads) == 0,
              "ragged_attention wants [N, 3 H d] with H = ", heads, ", not ",
              query_key_value.sizes());
  TORCH_CHECK(!offsets.empty() && offsets.back() == query_key_value.size(0),
              "ragged_attention: the rows' offsets do not end at the number of tokens");
  const uint64_t key = p > 0 ? draw_dropout_key() : 0;
  if (bias.defined()) {
    int64_t longest = 0;
    for (size_t i = 1; i < offsets.size(); ++i)
      longest = std::max(longest, offsets[i] - offsets[i - 1]);
    TORCH_CHECK(bias.dim() == 2 && bias.size(0) == heads && bias.size(1) % 2 == 1 &&
                    bias.size(1) >= 2 * longest - 1,
                "ragged_attention wants a bias [", heads, ", ", 2 * longest - 1, "], not ",
                bias.sizes());
  }
  const bool learns = query_key_value.requires_grad() || (bias.defined() && bias.requires_grad());
  if (!at::GradMode::is_enabled() || !learns) {
    return run_forward(Problem(query_key_value, offsets, heads, bias, p, key)).first;
  }
  // An undefined tensor may not stand among the inputs of a function.
  const auto given = bias.defined() ? std::optional<Tensor>(bias) : std::nullopt;
  return RaggedAttention::apply(query_key_value, given, offsets, heads, p,
                                static_cast<int64_t>(key));
}

}  // namespace espalier
