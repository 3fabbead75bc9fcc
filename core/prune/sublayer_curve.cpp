#include "core/prune/sublayer_curve.h"

#include <algorithm>

namespace espalier {

SublayerCurve::SublayerCurve(const Linear& linear, const Moments& moments, Tensor open,
                             int64_t group, double damp)
    : open_(std::move(open)), group_(group), inputs_(linear.inputs()) {
  torch::NoGradGuard no_grad;
  const Tensor inputs = columns(open_);
  const auto of_open = [&](const Tensor& square) {
    return square.index_select(0, inputs).index_select(1, inputs);
  };
  weight_ = linear.effective_weight().detach().to(at::kCPU, at::kDouble).index_select(1, inputs);
  if (linear.bias.defined()) bias_ = linear.bias.detach().to(at::kCPU, at::kDouble);
  mean_ = moments.mean().index_select(0, inputs);
  const Tensor plain = of_open(moments.products);
  scale_ = at::matmul(weight_, plain).mul_(weight_).sum().item<double>();
  products_ = damped(bias_.defined() ? of_open(moments.centred()) : plain, damp);
  removal_ = remove_one_by_one(weight_, products_, group_);
}

Tensor SublayerCurve::columns(const Tensor& units) const {
  return (units.unsqueeze(1) * group_ + at::arange(group_)).flatten();
}

double SublayerCurve::error(int64_t left) const {
  if (left == 0) return 1;
  const double error = removal_.error[static_cast<size_t>(units() - left)];
  return scale_ > 0 ? std::min(error / scale_, 1.0) : 0;
}

Tensor SublayerCurve::kept(int64_t left) const {
  const auto& order = removal_.order;
  const std::vector<int64_t> places(order.end() - left, order.end());
  return std::get<0>(at::sort(open_.index_select(0, torch::tensor(places, at::kLong))));
}

const OutputMatrix& SublayerCurve::matrix(int64_t left) {
  const auto found = matrices_.find(left);
  if (found != matrices_.end()) return found->second;
  const auto& order = removal_.order;
  const std::vector<int64_t> places(order.end() - left, order.end());
  const Tensor kept = columns(std::get<0>(at::sort(torch::tensor(places, at::kLong))));
  const Tensor solved = compensated(weight_, products_, kept);
  OutputMatrix out;
  out.weight = at::zeros({weight_.size(0), inputs_}, at::kFloat);
  out.weight.index_copy_(1, columns(open_), solved.to(at::kFloat));
  if (bias_.defined()) out.bias = (bias_ + at::mv(weight_ - solved, mean_)).to(at::kFloat);
  return matrices_[left] = std::move(out);
}

}  // namespace espalier
