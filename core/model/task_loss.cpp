#include "core/model/task_loss.h"

#include <algorithm>

namespace espalier {
namespace {

// Half precision is too coarse for sums.
Tensor wide(const Tensor& logits) {
  return logits.scalar_type() == at::kDouble ? logits : logits.to(at::kFloat);
}

Tensor sum_of_cross_entropies(const Tensor& logits, const Tensor& labels) {
  return at::cross_entropy_loss(logits, labels, /*weight=*/{}, at::Reduction::Sum, kUncounted);
}

// A mean would be 0 / 0 where nothing counts.
Tensor token_cross_entropy(const Tensor& logits, const Tensor& labels) {
  Tensor sum = sum_of_cross_entropies(logits, labels);
  return sum / labels.ne(kUncounted).sum().clamp_min(1).to(sum.scalar_type());
}

// For a softmax as good as minus infinity, but its differences are numbers.
constexpr double kNever = -1e30;

}  // namespace

Tensor span_logits(const Tensor& logits, const Batch& batch) {
  return at::pad_sequence(logits.split_with_sizes(batch.lengths), /*batch_first=*/true, kNever)
      .transpose(1, 2);
}

Tensor task_loss(Objective objective, const Tensor& logits, const Batch& batch) {
  Tensor scores = wide(logits);
  Tensor labels = batch.labels.to(scores.device(), /*non_blocking=*/true);
  switch (objective) {
    case Objective::kValue:
      return at::mse_loss(scores.squeeze(-1), labels.to(scores.scalar_type()));
    case Objective::kLabels:
      return at::binary_cross_entropy_with_logits(scores, labels.to(scores.scalar_type()));
    case Objective::kTokenClasses:
    case Objective::kWords:
      return token_cross_entropy(scores, labels);
    case Objective::kSpan:
      return at::cross_entropy_loss(span_logits(scores, batch).flatten(0, 1), labels.flatten());
    case Objective::kClass:
      break;
  }
  return at::cross_entropy_loss(scores, labels);
}

Tensor task_loss(Objective objective, const Trace& trace, const Batch& batch) {
  Tensor loss = task_loss(objective, trace.logits, batch);
  if (objective != Objective::kWords || !trace.sentence_logits.defined()) return loss;
  Tensor scores = wide(trace.sentence_logits);
  const Tensor sentences = batch.sentences.to(scores.device(), /*non_blocking=*/true);
  Tensor sum = sum_of_cross_entropies(scores, sentences);
  return loss + sum * (batch.words_per_sentence /
                       static_cast<double>(std::max<int64_t>(batch.units(), 1)));
}

}  // namespace espalier
