#include "core/task/regression.h"

#include "core/task/resample_statistics.h"

namespace espalier {

Task::Scores Regression::scores(std::span<const Prediction> predictions,
                                const Examples& examples) const {
  std::vector<double> truth, said, squares;
  for (size_t i = 0; i < predictions.size(); ++i) {
    const auto target = examples.targets[static_cast<int64_t>(i)];
    if (target.empty()) continue;
    truth.push_back(target[0]);
    said.push_back(predictions[i].logits[0]);
    squares.push_back((said.back() - truth.back()) * (said.back() - truth.back()));
  }
  Scores out;
  out.examples = static_cast<int64_t>(truth.size());
  out.list.push_back({"pearson", pearson_statistic(truth, said), Score::Kind::kPearson});
  out.list.push_back({"spearman", spearman_statistic(truth, said), Score::Kind::kSpearman});
  out.list.push_back({"mse", mean_statistic(std::move(squares)), Score::Kind::kOther, 1});
  return out;
}

}  // namespace espalier
