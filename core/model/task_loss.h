// The task's own loss.
#pragma once

#include "core/model/batch.h"
#include "core/spec/tasks.h"

namespace espalier {

// Scalar, in fp32 or, for logits in fp64, in that. Logits as a walk leaves them (Trace::logits),
// labels as Batch says, on any device.
//   kClass         mean cross-entropy over rows
//   kValue         mean squared error over rows
//   kLabels        mean binary cross-entropy with logits over rows and labels
//   kTokenClasses  mean cross-entropy over the tokens that count; 0 where none does
// As the heads of Hugging Face transformers compute them.
Tensor task_loss(Objective objective, const Tensor& logits, const Batch& batch);

}  // namespace espalier
