// Texts or pairs of texts, any of the labels each: a label is given where its logit is above 0,
// a probability above one half. Metrics micro F1, macro F1 over all labels, and the share of
// examples whose labels are right as a whole.
#pragma once

#include "core/task/task.h"

namespace espalier {

class MultiLabel : public Task {
 public:
  using Task::Task;

 protected:
  Scores scores(std::span<const Prediction> predictions, const Examples& examples) const override;
};

}  // namespace espalier
