// One task = text -> features, logits -> answers and its metrics; the same in training and in
// serving.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/options.h"
#include "core/text/tokenizer.h"

namespace espalier {

// A metric with its interval, in points of 0 to 100.
struct Metric {
  std::string name;                     // "accuracy"
  double value = 0, low = 0, high = 0;  // low, high: 95 % interval
  int64_t count = 0;                    // examples
  std::string interval;                 // "clopper-pearson"
};

// What a model answered for one example.
struct Prediction {
  std::vector<float> logits;
  int32_t exit_layer = 0;  // 1-based
};

class Task {
 public:
  virtual ~Task() = default;
  virtual std::string name() const = 0;
  // Features of one example.
  virtual Encoding encode(const Tokenizer& tokenizer, std::string_view text, std::string_view pair,
                          bool has_pair, int max_length) const = 0;
  // Outputs of the head for `labels` label names.
  virtual int outputs(int labels) const = 0;
  // The task's metrics, the first one being the one that constraints and selection use.
  virtual std::vector<Metric> evaluate(std::span<const Prediction> predictions,
                                       std::span<const int32_t> labels) const = 0;
};

// "text-classification" (single texts and pairs). INVALID_ARGUMENT names the known tasks.
absl::StatusOr<std::unique_ptr<Task>> make_task(const std::string& name);

// Exact binomial 95 % interval of k successes in n trials, as shares of 1.
struct Interval {
  double low, high;
};
Interval clopper_pearson(int64_t successes, int64_t trials, double confidence = 0.95);

// Two-sided exact McNemar test of two models on the same examples: p-value from the discordant
// pairs.
double mcnemar_exact(std::span<const bool> first_right, std::span<const bool> second_right);

}  // namespace espalier
