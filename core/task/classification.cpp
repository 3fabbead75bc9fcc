#include "core/task/classification.h"

#include <algorithm>

#include "core/task/resample_statistics.h"

namespace espalier {

Task::Scores Classification::scores(std::span<const Prediction> predictions,
                                    const Examples& examples) const {
  std::vector<int32_t> truth, said;
  std::vector<double> right;
  size_t classes = 0;
  for (size_t i = 0; i < predictions.size(); ++i) {
    const auto target = examples.targets[static_cast<int64_t>(i)];
    if (target.empty()) continue;
    truth.push_back(static_cast<int32_t>(target[0]));
    said.push_back(largest(predictions[i].logits));
    right.push_back(truth.back() == said.back() ? 1 : 0);
    classes = std::max(classes, predictions[i].logits.size());
  }
  const auto count = static_cast<int32_t>(classes);
  Scores out;
  out.examples = static_cast<int64_t>(truth.size());
  out.list.push_back({"accuracy", mean_statistic(std::move(right)), Score::Kind::kShare});
  if (classes == 2) out.list.push_back({"f1", class_statistic(truth, said, count, binary_f1)});
  out.list.push_back({"macro_f1", class_statistic(truth, said, count, macro_f1)});
  out.list.push_back({"matthews", class_statistic(truth, said, count, matthews)});
  return out;
}

}  // namespace espalier
