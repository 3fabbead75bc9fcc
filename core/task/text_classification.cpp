#include "core/task/text_classification.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace espalier {
namespace {

// The first of the largest logits, as torch's argmax; NaN never wins.
int32_t answer(const Prediction& prediction) {
  int32_t best = 0;
  for (size_t c = 1; c < prediction.logits.size(); ++c) {
    if (prediction.logits[c] > prediction.logits[static_cast<size_t>(best)])
      best = static_cast<int32_t>(c);
  }
  return best;
}

}  // namespace

Encoding TextClassification::encode(const Tokenizer& tokenizer, std::string_view text,
                                    std::string_view pair, bool has_pair, int max_length) const {
  return tokenizer.encode(text, pair, has_pair, max_length);
}

std::vector<Metric> TextClassification::evaluate(std::span<const Prediction> predictions,
                                                 std::span<const int32_t> labels) const {
  int64_t count = 0, right = 0, true_positive = 0, wrong_about_one = 0;
  size_t classes = 0;
  for (size_t i = 0; i < std::min(predictions.size(), labels.size()); ++i) {
    if (labels[i] < 0) continue;
    const int32_t said = answer(predictions[i]);
    classes = std::max(classes, predictions[i].logits.size());
    ++count;
    right += said == labels[i];
    true_positive += said == 1 && labels[i] == 1;
    wrong_about_one += (said == 1) != (labels[i] == 1);
  }
  const Interval interval = clopper_pearson(right, count);
  const double accuracy =
      count > 0 ? 100.0 * static_cast<double>(right) / static_cast<double>(count) : 0;
  std::vector<Metric> out = {
      {"accuracy", accuracy, 100 * interval.low, 100 * interval.high, count, "clopper-pearson"}};
  if (classes == 2) {
    // 2 TP / (2 TP + FP + FN); nothing to find and nothing found counts as 0, as scikit-learn does.
    const double total = static_cast<double>(2 * true_positive + wrong_about_one);
    const double f1 = total > 0 ? 200.0 * static_cast<double>(true_positive) / total : 0;
    out.push_back({"f1", f1, f1, f1, count, ""});
  }
  return out;
}

absl::StatusOr<std::unique_ptr<Task>> make_task(const std::string& name) {
  if (name == "text-classification") return std::make_unique<TextClassification>();
  return absl::InvalidArgumentError(
      absl::StrCat("unknown task \"", name, "\"; known: text-classification"));
}

}  // namespace espalier
