#include "core/model/task_loss.h"

namespace espalier {
namespace {

// A mean would be 0 / 0 where nothing counts.
Tensor token_cross_entropy(const Tensor& logits, const Tensor& labels) {
  Tensor sum =
      at::cross_entropy_loss(logits, labels, /*weight=*/{}, at::Reduction::Sum, kUncounted);
  return sum / labels.ne(kUncounted).sum().clamp_min(1).to(sum.scalar_type());
}

}  // namespace

Tensor task_loss(Objective objective, const Tensor& logits, const Batch& batch) {
  Tensor scores = logits.scalar_type() == at::kDouble ? logits : logits.to(at::kFloat);
  Tensor labels = batch.labels.to(scores.device());
  switch (objective) {
    case Objective::kValue:
      return at::mse_loss(scores.squeeze(-1), labels.to(scores.scalar_type()));
    case Objective::kLabels:
      return at::binary_cross_entropy_with_logits(scores, labels.to(scores.scalar_type()));
    case Objective::kTokenClasses:
      return token_cross_entropy(scores, labels);
    case Objective::kClass:
      break;
  }
  return at::cross_entropy_loss(scores, labels);
}

}  // namespace espalier
