// Logits as what a model answered.
#pragma once

#include <utility>
#include <vector>

#include "core/task/task.h"

namespace espalier::testing {

inline std::vector<Prediction> predictions(std::vector<std::vector<float>> logits) {
  std::vector<Prediction> out;
  for (auto& row : logits) out.push_back({std::move(row), 1});
  return out;
}

inline Examples with_targets(Targets targets) {
  Examples out;
  out.targets = std::move(targets);
  return out;
}

}  // namespace espalier::testing
