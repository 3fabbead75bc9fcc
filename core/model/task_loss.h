// The task's own loss.
#pragma once

#include "core/model/batch.h"

namespace espalier {

// Mean cross-entropy in fp32. logits [B,C], labels [B] int64 on any device; scalar.
inline Tensor task_loss(const Tensor& logits, const Tensor& labels) {
  return at::cross_entropy_loss(logits.to(at::kFloat), labels.to(logits.device()));
}

}  // namespace espalier
