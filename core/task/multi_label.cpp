#include "core/task/multi_label.h"

#include <algorithm>

#include "core/task/resample_statistics.h"

namespace espalier {

Task::Scores MultiLabel::scores(std::span<const Prediction> predictions,
                                const Examples& examples) const {
  std::vector<uint8_t> truth, said;  // [examples, labels]
  std::vector<double> right;
  size_t labels = 0;
  for (size_t i = 0; i < predictions.size(); ++i) {
    const auto target = examples.targets[static_cast<int64_t>(i)];
    if (target.empty()) continue;
    labels = target.size();
    for (size_t label = 0; label < labels; ++label) {
      truth.push_back(target[label] != 0);
      said.push_back(predictions[i].logits[label] > 0);
    }
    const auto width = static_cast<std::ptrdiff_t>(labels);
    right.push_back(std::equal(truth.end() - width, truth.end(), said.end() - width) ? 1 : 0);
  }
  const auto width = static_cast<int32_t>(labels);
  Scores out;
  out.examples = static_cast<int64_t>(right.size());
  out.list.push_back({"micro_f1", label_statistic(truth, said, width, espalier::micro_f1)});
  out.list.push_back({"macro_f1", label_statistic(truth, said, width, macro_f1_of_labels)});
  out.list.push_back({"subset_accuracy", mean_statistic(std::move(right)), Score::Kind::kShare});
  return out;
}

}  // namespace espalier
