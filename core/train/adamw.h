// AdamW (Loshchilov & Hutter, arXiv 1711.05101) with LibTorch's fused kernel: torch.optim.AdamW.
// Where a few rows of a matrix have a gradient, kernels/adam_rows.h does the same with less.
#pragma once

#include "core/train/optimiser.h"

namespace espalier {

class AdamW : public Optimiser {
 public:
  explicit AdamW(std::vector<OptimiserGroup> groups, const Betas& betas = {});

 private:
  void update(const Lists& lists, double learning_rate, double weight_decay,
              const Tensor& divisor) override;
  // Reference twin: update() with the dense gradient.
  bool update_rows(const Rows& rows, double learning_rate, double weight_decay,
                   const Tensor& divisor) override;
};

}  // namespace espalier
