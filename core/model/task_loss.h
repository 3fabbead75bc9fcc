// The task's own loss.
#pragma once

#include "core/model/batch.h"

namespace espalier {

// Mean cross-entropy in fp32, or in double where the logits are. logits [B,C], labels [B] int64 on
// any device; scalar.
inline Tensor task_loss(const Tensor& logits, const Tensor& labels) {
  const at::ScalarType type = logits.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  return at::cross_entropy_loss(logits.to(type), labels.to(logits.device()));
}

}  // namespace espalier
