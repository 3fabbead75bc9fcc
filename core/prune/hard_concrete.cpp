#include "core/prune/hard_concrete.h"

#include <cmath>

namespace espalier {

Tensor HardConcrete::sample(const Tensor& log_alpha, const Tensor& uniform) const {
  const Tensor u = uniform.clamp(eps, 1 - eps);
  const Tensor s = at::sigmoid((u.log() - (1 - u).log() + log_alpha) / temperature);
  return (s * (high - low) + low).clamp(0, 1);
}

Tensor HardConcrete::open_probability(const Tensor& log_alpha) const {
  return at::sigmoid(log_alpha - temperature * std::log(-low / high));
}

Tensor HardConcrete::soft_value(const Tensor& log_alpha) const {
  return at::sigmoid(log_alpha * (0.8 / temperature));
}

Tensor HardConcrete::deterministic(const Tensor& log_alpha, double closing) const {
  torch::NoGradGuard no_grad;
  const Tensor logits = log_alpha.detach();
  // In double, so that a sum of thousands rounds as exact arithmetic would.
  const Tensor closed = (1 - open_probability(logits.to(at::kDouble) - closing)).sum();
  const auto count = static_cast<int64_t>(closed.round().item<double>());
  Tensor gate = soft_value(logits);
  if (count > 0) {
    const Tensor order = std::get<1>(at::sort(logits, /*stable=*/true, 0, /*descending=*/false));
    gate.index_fill_(0, order.narrow(0, 0, count), 0);
  }
  return gate;
}

}  // namespace espalier
