#include "core/model/task_loss.h"

#include <algorithm>
#include <optional>

#include "core/spec/targets.h"

namespace espalier {
namespace {

// Half precision is too coarse for sums.
Tensor wide(const Tensor& logits) {
  return logits.scalar_type() == at::kDouble ? logits : logits.to(at::kFloat);
}

Tensor sum_of_cross_entropies(const Tensor& logits, const Tensor& labels,
                              const std::optional<Tensor>& weights = {}) {
  return at::cross_entropy_loss(logits, labels, weights, at::Reduction::Sum, kUncounted);
}

// [C] as `logits` are.
Tensor class_weights(const Tensor& logits, const Batch& batch) {
  return batch.class_weights.to(logits.device(), logits.scalar_type(), /*non_blocking=*/true);
}

// Over what so many units of the step weigh in the mean, not over what these do: weigh_classes().
Tensor weighted_cross_entropy(const Tensor& logits, const Tensor& labels, const Batch& batch) {
  const auto units = static_cast<double>(std::max<int64_t>(batch.units(), 1));
  return sum_of_cross_entropies(logits, labels, class_weights(logits, batch)) /
         (units * batch.mean_class_weight);
}

// A mean would be 0 / 0 where nothing counts.
Tensor token_cross_entropy(const Tensor& logits, const Tensor& labels) {
  Tensor sum = sum_of_cross_entropies(logits, labels);
  return sum / labels.ne(kUncounted).sum().clamp_min(1).to(sum.scalar_type());
}

// Those of the rows that have a label.
Tensor of_labelled(const Tensor& rows, const Batch& batch) {
  if (!batch.labelled.defined()) return rows;
  return rows.index_select(0, batch.labelled.to(rows.device(), /*non_blocking=*/true));
}

static_assert(kUnknownClass < kUncounted);

// For a softmax as good as minus infinity, but its differences are numbers.
constexpr double kNever = -1e30;

}  // namespace

void weigh_classes(Objective objective, const std::vector<double>& weights,
                   std::span<Batch> micro) {
  const Tensor by_class = torch::tensor(weights, at::kDouble);
  double sum = 0;
  int64_t units = 0;
  for (Batch& batch : micro) {
    batch.class_weights = by_class;
    // The weights of several labels are no part of what their mean is over.
    if (objective == Objective::kLabels) continue;
    // All that is a class: neither kUncounted nor, which is below, kUnknownClass.
    const Tensor counted = batch.labels.masked_select(batch.labels.gt(kUncounted));
    sum += by_class.index_select(0, counted).sum().item<double>();
    units += batch.units();
  }
  if (units == 0) return;
  for (Batch& batch : micro) batch.mean_class_weight = sum / static_cast<double>(units);
}

Tensor span_logits(const Tensor& logits, const Batch& batch) {
  return at::pad_sequence(logits.split_with_sizes(batch.lengths), /*batch_first=*/true, kNever)
      .transpose(1, 2);
}

Tensor task_loss(Objective objective, const Tensor& logits, const Batch& batch) {
  Tensor scores = wide(logits);
  // The mean of nothing is no number; its sum is 0.
  if (batch.labelled.defined() && batch.labelled.numel() == 0) return scores.slice(0, 0, 0).sum();
  if (objective == Objective::kSpan) scores = span_logits(scores, batch);
  scores = of_labelled(scores, batch);
  Tensor labels = batch.labels.to(scores.device(), /*non_blocking=*/true);
  const bool weighed = batch.class_weights.defined();
  switch (objective) {
    case Objective::kValue:
      return at::mse_loss(scores.squeeze(-1), labels.to(scores.scalar_type()));
    case Objective::kLabels:
      labels = labels.to(scores.scalar_type());
      if (!weighed) return at::binary_cross_entropy_with_logits(scores, labels);
      return at::binary_cross_entropy_with_logits(scores, labels, /*weight=*/{},
                                                  /*pos_weight=*/class_weights(scores, batch));
    case Objective::kTokenClasses:
      if (batch.unlabelled > 0) labels = labels.clamp_min(kUncounted);  // kUnknownClass is below
      if (weighed) return weighted_cross_entropy(scores, labels, batch);
      return token_cross_entropy(scores, labels);
    case Objective::kWords:
      return token_cross_entropy(scores, labels);
    case Objective::kSpan:
      return at::cross_entropy_loss(scores.flatten(0, 1), labels.flatten());
    case Objective::kClass:
      break;
  }
  if (weighed) return weighted_cross_entropy(scores, labels, batch);
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
