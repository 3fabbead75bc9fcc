#include "core/train/adamax.h"

#include <cmath>

namespace espalier {

// The step's size needs a parameter's count on the host; counts on a device would sync.
Adamax::Adamax(std::vector<OptimiserGroup> groups, const Betas& betas)
    : Optimiser(std::move(groups), betas, "adamax", "largest", /*counts_on_host=*/true) {}

void Adamax::update(const Lists& lists, double learning_rate, double weight_decay,
                    const Tensor& divisor) {
  if (weight_decay > 0) at::_foreach_mul_(lists.parameters, 1 - learning_rate * weight_decay);
  if (divisor.defined()) at::_foreach_div_(lists.grads, divisor);
  at::_foreach_lerp_(lists.means, lists.grads, 1 - betas_.mean);
  std::vector<Tensor> sizes = at::_foreach_abs(lists.grads);
  at::_foreach_add_(sizes, betas_.eps);
  at::_foreach_mul_(lists.sizes, betas_.size);
  at::_foreach_maximum_(lists.sizes, sizes);
  std::vector<at::Scalar> steps;
  for (const Tensor& count : lists.counts)
    steps.emplace_back(-learning_rate / (1 - std::pow(betas_.mean, count.item<double>())));
  at::_foreach_addcdiv_(lists.parameters, lists.means, lists.sizes, steps);
}

}  // namespace espalier
