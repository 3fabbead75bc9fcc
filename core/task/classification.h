// Texts, pairs of texts or images, one label each; metrics accuracy, F1 of class 1 where there are
// two, macro F1 and Matthews' correlation.
#pragma once

#include "core/task/task.h"

namespace espalier {

class Classification : public Task {
 public:
  using Task::Task;

 protected:
  Scores scores(std::span<const Prediction> predictions, const Examples& examples) const override;
};

}  // namespace espalier
