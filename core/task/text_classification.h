// Texts or pairs of texts, one label each; metrics accuracy, and F1 of class 1 where there are two.
#pragma once

#include "core/task/task.h"

namespace espalier {

class TextClassification : public Task {
 public:
  std::string name() const override { return "text-classification"; }
  Encoding encode(const Tokenizer& tokenizer, std::string_view text, std::string_view pair,
                  bool has_pair, int max_length) const override;
  int outputs(int labels) const override { return labels; }
  // Examples without a label (-1) are left out. F1 has no exact interval: its low and high are
  // its value, and its `interval` is empty.
  std::vector<Metric> evaluate(std::span<const Prediction> predictions,
                               std::span<const int32_t> labels) const override;
};

}  // namespace espalier
