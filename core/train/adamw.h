// AdamW (Loshchilov & Hutter, arXiv 1711.05101) with LibTorch's fused kernel: torch.optim.AdamW.
#pragma once

#include "core/train/optimiser.h"

namespace espalier {

class AdamW : public Optimiser {
 public:
  explicit AdamW(std::vector<OptimiserGroup> groups, const Betas& betas = {});

 private:
  void update(const Lists& lists, double learning_rate, double weight_decay,
              const Tensor& divisor) override;
};

}  // namespace espalier
