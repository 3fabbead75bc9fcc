#include "core/train/adamw.h"

namespace espalier {

AdamW::AdamW(std::vector<OptimiserGroup> groups, const Betas& betas)
    : Optimiser(std::move(groups), betas, "adamw", "square", /*counts_on_host=*/false) {}

void AdamW::update(const Lists& lists, double learning_rate, double weight_decay,
                   const Tensor& divisor) {
  // The fused kernel divides as it reads, but by a float only.
  const bool fits = divisor.defined() && divisor.scalar_type() == at::kFloat;
  if (divisor.defined() && !fits) at::_foreach_div_(lists.grads, divisor);
  at::_fused_adamw_(lists.parameters, lists.grads, lists.means, lists.sizes,
                    /*max_exp_avg_sqs=*/{}, lists.counts, learning_rate, betas_.mean, betas_.size,
                    weight_decay, betas_.eps,
                    /*amsgrad=*/false, /*maximize=*/false,
                    fits ? std::optional<Tensor>(divisor) : std::nullopt);
}

}  // namespace espalier
