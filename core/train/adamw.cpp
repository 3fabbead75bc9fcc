#include "core/train/adamw.h"

namespace espalier {

AdamW::AdamW(std::vector<OptimiserGroup> groups, const Betas& betas)
    : Optimiser(std::move(groups), betas, "adamw", "square", /*counts_on_host=*/false) {}

void AdamW::update(const Lists& lists, double learning_rate, double weight_decay,
                   const Tensor& divisor) {
  at::_fused_adamw_(lists.parameters, lists.grads, lists.means, lists.sizes,
                    /*max_exp_avg_sqs=*/{}, lists.counts, learning_rate, betas_.mean, betas_.size,
                    weight_decay, betas_.eps,
                    /*amsgrad=*/false, /*maximize=*/false,
                    divisor.defined() ? std::optional<Tensor>(divisor) : std::nullopt);
}

}  // namespace espalier
