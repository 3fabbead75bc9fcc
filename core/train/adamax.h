// Adamax (Kingma & Ba, arXiv 1412.6980, section 7.1), Adam over the infinity norm:
//
//   m <- b1 m + (1 - b1) g;  u <- max(b2 u, |g| + eps);  p <- p - lr / (1 - b1^t) m / u
//
// The place of eps is that of torch.optim.Adamax (the paper has none). We differ from both in
// weight decay: it is AdamW's, p <- p - lr wd p before the update, so that the option means the
// same under every optimiser. torch adds wd p to the gradient instead, where u divides most of it
// away; without weight decay the two are the same.
#pragma once

#include "core/train/optimiser.h"

namespace espalier {

class Adamax : public Optimiser {
 public:
  explicit Adamax(std::vector<OptimiserGroup> groups, const Betas& betas = {});

 private:
  void update(const Lists& lists, double learning_rate, double weight_decay,
              const Tensor& divisor) override;
};

}  // namespace espalier
