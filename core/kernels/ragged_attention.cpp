#include "core/kernels/ragged_attention.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "core/kernels/attention_unit.h"
#include "core/kernels/dropout.h"

namespace espalier {
namespace {

using kernels::AttentionUnit;
using kernels::DropKey;
using kernels::kLanes;
using kernels::whole_lanes;
using torch::Tensor;

// A batch, its bias made readable beyond the last distance.
struct Problem {
  Tensor in;                          // [N, 3 H d], contiguous
  c10::ArrayRef<int64_t> offsets;     // [B+1]
  Tensor bias;                        // [H, 2T-1 + kLanes] or undefined
  int64_t heads, rows, width, reach;  // reach: T-1, the bias's column of distance 0
  DropKey drop;
  Queries queries;

  Problem(const Tensor& in_, c10::ArrayRef<int64_t> offsets_, int64_t heads_, const Tensor& bias_,
          double p, uint64_t key, Queries queries_)
      : in(in_.contiguous()),
        offsets(offsets_),
        heads(heads_),
        rows(static_cast<int64_t>(offsets_.size()) - 1),
        width(in_.size(1) / (3 * heads_)),
        reach(bias_.defined() ? bias_.size(1) / 2 : 0),
        drop(kernels::drop_key(key, p)),
        queries(queries_) {
    if (bias_.defined()) bias = at::constant_pad_nd(bias_, {0, kLanes}).contiguous();
  }
  int64_t all() const { return heads * width; }
  int64_t begin(int64_t row) const { return offsets[static_cast<size_t>(row)]; }
  int64_t length(int64_t row) const { return begin(row + 1) - begin(row); }
  // Who asks: tokens or, of kFirst, rows.
  int64_t askers() const { return queries == Queries::kEvery ? in.size(0) : rows; }
  int64_t first_asker(int64_t row) const { return queries == Queries::kEvery ? begin(row) : row; }
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
    kernels::DistanceBias biases;
    if (bias.defined()) biases = {bias.const_data_ptr<float>(), bias.size(1), reach};
    at::parallel_for(0, rows * heads, 1, [&](int64_t from, int64_t to) {
      // Vectors start at multiples of their size: crossing cache lines costs.
      std::vector<float> memory(static_cast<size_t>(scratch_size + kLanes));
      const auto start = reinterpret_cast<uintptr_t>(memory.data());
      float* scratch = memory.data() + (64 - start % 64) % 64 / sizeof(float);
      for (int64_t i = from; i < to; ++i) {
        const int64_t head = i / rows, row = i % rows, stride = 3 * all();
        AttentionUnit unit = kernels::unit_of(
            {data + begin(row) * stride, length(row), heads, width, stride}, head, biases);
        if (queries == Queries::kFirst) unit.queries = 1;
        unit.drop = drop;
        unit.index = static_cast<uint64_t>(head) * first.back() + first[static_cast<size_t>(row)];
        run(unit, row, head, scratch);
      }
    });
  }
};

// Context [askers, H d] and the log of each softmax's sum, [askers, H].
std::pair<Tensor, Tensor> run_forward(const Problem& problem) {
  const int64_t all = problem.all(), heads = problem.heads;
  Tensor context = at::empty({problem.askers(), all}, problem.in.options());
  Tensor log_sums = at::empty({problem.askers(), heads}, problem.in.options());
  auto* to = context.mutable_data_ptr<float>();
  auto* logs = log_sums.mutable_data_ptr<float>();
  problem.for_each(kernels::forward_scratch(problem.longest(), problem.width),
                   [&](const AttentionUnit& unit, int64_t row, int64_t head, float* scratch) {
                     const int64_t asker = problem.first_asker(row);
                     kernels::attend_forward(unit, scratch, to + asker * all + head * unit.width,
                                             all, logs + asker * heads + head, heads);
                   });
  return {context, log_sums};
}

// Gradients of query_key_value and of the bias (undefined without one).
std::pair<Tensor, Tensor> run_backward(const Problem& problem, const Tensor& log_sums,
                                       const Tensor& grad) {
  const int64_t all = problem.all(), heads = problem.heads;
  // The queries that nobody read get zeros.
  const bool every = problem.queries == Queries::kEvery;
  Tensor out = every ? at::empty_like(problem.in) : at::zeros_like(problem.in), biases;
  // One row of sums for each unit, added up in order: no result depends on who was quicker. A row's
  // vectors reach kLanes beyond the distances, on either side of what its neighbours use.
  const int64_t reach = problem.reach, columns = 2 * reach + 1 + kLanes;
  if (problem.bias.defined())
    biases = at::zeros({heads, problem.rows, columns}, problem.in.options());
  auto* to = out.mutable_data_ptr<float>();
  float* sums = biases.defined() ? biases.mutable_data_ptr<float>() : nullptr;
  const float* from = grad.const_data_ptr<float>();
  const float* logs = log_sums.const_data_ptr<float>();
  problem.for_each(kernels::backward_scratch(problem.longest(), problem.width),
                   [&](const AttentionUnit& unit, int64_t row, int64_t head, float* scratch) {
                     const int64_t asker = problem.first_asker(row), column = head * unit.width;
                     float* query = to + problem.begin(row) * unit.stride + column;
                     float* bias = sums == nullptr
                                       ? nullptr
                                       : sums + (head * problem.rows + row) * columns + reach;
                     kernels::attend_backward(unit, scratch, from + asker * all + column, all,
                                              logs + asker * heads + head, heads,
                                              {query, query + all, query + 2 * all, bias});
                   });
  if (biases.defined()) biases = biases.sum(1).narrow(1, 0, 2 * reach + 1);
  return {out, biases};
}

struct RaggedAttention : torch::autograd::Function<RaggedAttention> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& query_key_value,
                        const std::optional<Tensor>& given, const std::vector<int64_t>& offsets,
                        int64_t heads, double p, int64_t key, int64_t queries) {
    const Tensor bias = given.value_or(Tensor());
    Problem problem(query_key_value, offsets, heads, bias, p, static_cast<uint64_t>(key),
                    static_cast<Queries>(queries));
    auto [out, log_sums] = run_forward(problem);
    context->save_for_backward({problem.in, log_sums, bias});
    context->saved_data["offsets"] = offsets;
    context->saved_data["heads"] = heads;
    context->saved_data["p"] = p;
    context->saved_data["key"] = key;
    context->saved_data["queries"] = queries;
    return out;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& grads) {
    auto saved = context->get_saved_variables();
    const auto offsets = context->saved_data["offsets"].toIntVector();
    Problem problem(saved[0], offsets, context->saved_data["heads"].toInt(), saved[2],
                    context->saved_data["p"].toDouble(),
                    static_cast<uint64_t>(context->saved_data["key"].toInt()),
                    static_cast<Queries>(context->saved_data["queries"].toInt()));
    auto [grad, bias] = run_backward(problem, saved[1], grads[0].contiguous());
    return {grad, bias, {}, {}, {}, {}, {}};
  }
};

}  // namespace

Tensor ragged_attention(const Tensor& query_key_value, const std::vector<int64_t>& offsets,
                        int64_t heads, const Tensor& bias, double p, Queries queries) {
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
    return run_forward(Problem(query_key_value, offsets, heads, bias, p, key, queries)).first;
  }
  // An undefined tensor may not stand among the inputs of a function.
  const auto given = bias.defined() ? std::optional<Tensor>(bias) : std::nullopt;
  return RaggedAttention::apply(query_key_value, given, offsets, heads, p,
                                static_cast<int64_t>(key), static_cast<int64_t>(queries));
}

}  // namespace espalier
