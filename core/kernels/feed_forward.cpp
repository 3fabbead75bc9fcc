#include "core/kernels/feed_forward.h"

#include <torch/csrc/autograd/custom_function.h>

namespace espalier {
namespace {

using torch::Tensor;

// Rows of a block: [rows, 1536] floats are 3 MB, about a core's share of the cache, and the
// products are still large enough to run at full speed.
constexpr int64_t kBlockRows = 512;

// use(first row, rows) for every block.
template <class Use>
void for_each_block(int64_t rows, Use&& use) {
  for (int64_t begin = 0; begin < rows; begin += kBlockRows)
    use(begin, std::min(kBlockRows, rows - begin));
}

// What sums over blocks are kept in: a format of 8 bits would lose the later blocks.
at::TensorOptions sum_options(const Tensor& x) {
  return at::isReducedFloatingType(x.scalar_type()) ? x.options().dtype(at::kFloat) : x.options();
}

// sum += a b, where `sum` may be wider than the two.
void add_product(Tensor& sum, const Tensor& a, const Tensor& b) {
  if (sum.scalar_type() == a.scalar_type()) {
    sum.addmm_(a, b);
  } else {
    sum.add_(at::mm(a, b));
  }
}

struct FeedForward : torch::autograd::Function<FeedForward> {
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& x,
                        const Tensor& up_weight, const Tensor& up_bias, const Tensor& down_weight,
                        const Tensor& down_bias, const std::string& approximate) {
    const int64_t rows = x.size(0);
    Tensor inner = at::empty({rows, up_weight.size(0)}, x.options());
    Tensor out = at::empty({rows, down_weight.size(0)}, x.options());
    for_each_block(rows, [&](int64_t begin, int64_t count) {
      Tensor part = inner.narrow(0, begin, count), to = out.narrow(0, begin, count);
      at::addmm_out(part, up_bias, x.narrow(0, begin, count), up_weight.t());
      at::addmm_out(to, down_bias, at::gelu(part, approximate), down_weight.t());
    });
    context->save_for_backward({x, up_weight, down_weight, inner});
    context->saved_data["approximate"] = approximate;
    return out;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& grads) {
    auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &up_weight = saved[1], &down_weight = saved[2], &inner = saved[3];
    const std::string approximate = context->saved_data["approximate"].toStringRef();
    const Tensor grad = grads[0].contiguous();
    // Inputs in the order of forward(); what is frozen gets no gradient.
    auto wanted = [&](int input) { return context->needs_input_grad(static_cast<size_t>(input)); };
    Tensor x_grad = wanted(0) ? at::empty_like(x) : Tensor();
    const auto sums = sum_options(x);
    Tensor up_grad = wanted(1) ? at::zeros(up_weight.sizes(), sums) : Tensor();
    Tensor up_bias_grad = wanted(2) ? at::zeros({up_weight.size(0)}, sums) : Tensor();
    Tensor down_grad = wanted(3) ? at::zeros(down_weight.sizes(), sums) : Tensor();
    Tensor down_bias_grad = wanted(4) ? grad.sum(0) : Tensor();
    for_each_block(x.size(0), [&](int64_t begin, int64_t count) {
      const Tensor rows = x.narrow(0, begin, count), part = inner.narrow(0, begin, count);
      const Tensor upstream = grad.narrow(0, begin, count);
      if (wanted(3)) add_product(down_grad, upstream.t(), at::gelu(part, approximate));
      Tensor inner_grad = at::gelu_backward(at::mm(upstream, down_weight), part, approximate);
      if (wanted(1)) add_product(up_grad, inner_grad.t(), rows);
      if (wanted(2)) up_bias_grad.add_(inner_grad.sum(0));
      if (wanted(0)) {
        Tensor to = x_grad.narrow(0, begin, count);
        at::mm_out(to, inner_grad, up_weight);
      }
    });
    return {x_grad, up_grad, up_bias_grad, down_grad, down_bias_grad, {}};
  }
};

}  // namespace

Tensor feed_forward(const Tensor& x, const Tensor& up_weight, const Tensor& up_bias,
                    const Tensor& down_weight, const Tensor& down_bias,
                    const std::string& approximate) {
  return FeedForward::apply(x.contiguous(), up_weight, up_bias, down_weight, down_bias,
                            approximate);
}

}  // namespace espalier
