// The task's own loss.
#pragma once

#include "core/model/batch.h"
#include "core/model/trace.h"
#include "core/spec/tasks.h"

namespace espalier {

// Scalar, in fp32 or, for logits in fp64, in that. Logits as a walk leaves them (Trace::logits),
// labels as Batch says, on any device.
//   kClass         mean cross-entropy over rows
//   kValue         mean squared error over rows
//   kLabels        mean binary cross-entropy with logits over rows and labels
//   kTokenClasses  mean cross-entropy over the tokens that count; 0 where none does
//   kSpan          mean cross-entropy over rows, of start and of end, each over the row's own
//                  tokens
//   kWords         mean cross-entropy over the words that are asked for
// As the heads of Hugging Face transformers compute them; but theirs for spans counts padding among
// the tokens that a span may begin or end with.
Tensor task_loss(Objective objective, const Tensor& logits, const Batch& batch);

// The same of a whole walk: to kWords the mean cross-entropy of the next-sentence logits over the
// rows that have such a label is added where the model has them, as BertForPreTraining does. See
// Batch::words_per_sentence for micro-batches.
Tensor task_loss(Objective objective, const Trace& trace, const Batch& batch);

// Logits [N,2] of a batch's tokens as [B,2,T] of the longest row's T: what a softmax over the last
// axis should see, 0 to it where a row has no token.
Tensor span_logits(const Tensor& logits, const Batch& batch);

}  // namespace espalier
