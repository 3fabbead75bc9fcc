// Texts or pairs of texts, one number each; metrics Pearson's and Spearman's correlation, and the
// mean squared error, which is in the square of the data's own unit.
#pragma once

#include "core/task/task.h"

namespace espalier {

class Regression : public Task {
 public:
  using Task::Task;

 protected:
  Scores scores(std::span<const Prediction> predictions, const Examples& examples) const override;
};

}  // namespace espalier
