// The task's own loss.
#pragma once

#include <span>
#include <vector>

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
// Rows and tokens without a known label (see Batch) are as if they were not there; where no row has
// one the loss is 0, of which every gradient is 0.
// As the heads of Hugging Face transformers compute them; but theirs for spans counts padding among
// the tokens that a span may begin or end with. Where classes are weighed, see weigh_classes(),
// those of kClass and kTokenClasses are torch.nn.CrossEntropyLoss(weight)'s, that of kLabels is
// torch.nn.BCEWithLogitsLoss(pos_weight)'s.
Tensor task_loss(Objective objective, const Tensor& logits, const Batch& batch);

// The same of a whole walk: to kWords the mean cross-entropy of the next-sentence logits over the
// rows that have such a label is added where the model has them, as BertForPreTraining does. See
// Batch::words_per_sentence for micro-batches.
Tensor task_loss(Objective objective, const Trace& trace, const Batch& batch);

// Lets the labels of kClass, kTokenClasses or kLabels count so much (spec/class_weights.h), in all
// micro-batches of a step. A loss is a mean over units, by which the trainer weighs it; the
// weighted mean of the step is over the sum of its weights, which is its units times their mean
// weight. Sets that number to the step's own, so that the losses of micro-batches, weighted by
// units, add up to that of the step, and so do those of methods that know no weights.
void weigh_classes(Objective objective, const std::vector<double>& weights, std::span<Batch> micro);

// Logits [N,2] of a batch's tokens as [B,2,T] of the longest row's T: what a softmax over the last
// axis should see, 0 to it where a row has no token.
Tensor span_logits(const Tensor& logits, const Batch& batch);

}  // namespace espalier
