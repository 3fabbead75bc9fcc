// One task = an example -> what the model reads, logits -> metrics; the same in training and in
// serving. What the tasks have in common stands in one table, spec/tasks.h.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/spec/tasks.h"
#include "core/task/examples.h"
#include "core/task/features.h"
#include "core/task/intervals.h"

namespace espalier {

// A metric with its interval, in points: shares from 0 to 100, correlations from -100 to 100.
struct Metric {
  std::string name;                     // "accuracy"
  double value = 0, low = 0, high = 0;  // low, high: 95 % interval
  int64_t count = 0;                    // examples
  std::string interval;                 // "clopper-pearson", "bootstrap", ...
};

// What is kept of a model's answer to one input.
struct Prediction {
  std::vector<float> logits;  // or what Task::prediction() makes of them
  int32_t exit_layer = 0;     // 1-based
};

// Whether two models answer the same examples differently well.
struct PairedTest {
  std::string name;
  double p_value = 1;  // two-sided
  // Second - first, in points, with the interval of a paired bootstrap whatever the test.
  double difference = 0, low = 0, high = 0;
};

class Task {
 public:
  // `metric`: the one that decides, see deciding_metrics(); empty: the default.
  Task(const TaskKind& kind, std::vector<std::string> labels, std::string metric);
  virtual ~Task() = default;

  const TaskKind& kind() const { return kind_; }
  std::string name() const { return kind_.name; }
  HeadKind head() const { return kind_.head; }
  Objective objective() const { return kind_.objective; }
  Reads reads() const { return kind_.reads; }
  // Outputs of the head for `labels` label names.
  int outputs(int labels) const { return head_outputs(kind_.objective, labels); }
  // The metric that decides.
  const std::string& metric() const { return metric_; }

  // The windows that the model reads of this sample. INVALID_ARGUMENT for a sample that the task
  // or the model cannot read.
  absl::StatusOr<std::vector<Features>> encode(const Reading& reading, const Sample& sample) const;
  // What a training step sees instead of the stored input and target, where it sees another.
  virtual std::optional<Features> redraw(uint64_t /*seed*/, const Reading& /*reading*/,
                                         const InputView& /*input*/,
                                         std::span<const float> /*target*/) const {
    return std::nullopt;
  }
  // What the metrics need of the logits of input `i`. Here: all of them.
  virtual Prediction prediction(std::vector<float> logits, int exit_layer,
                                const Examples& /*examples*/, int64_t /*i*/) const {
    return {std::move(logits), exit_layer};
  }

  // `predictions` are those of the examples' inputs, in their order.
  //
  // All metrics, the first one being the one that constraints and selection use. Samples whose
  // target is not known are left out. A figure that is not defined (the correlation with answers
  // that are all equal) counts as 0; one of which less is better has to say itself what it is then.
  std::vector<Metric> evaluate(std::span<const Prediction> predictions,
                               const Examples& examples) const;
  // One figure without its interval, which costs a thousand times less: the metric of this name,
  // the first for "". 0 for a name that the task does not have.
  double figure(std::span<const Prediction> predictions, const Examples& examples,
                const std::string& metric = "") const;
  // By the metric of this name, the first for "": exact McNemar for an accuracy, else the paired
  // bootstrap.
  PairedTest paired_test(std::span<const Prediction> first, std::span<const Prediction> second,
                         const Examples& examples, const std::string& metric = "",
                         double confidence = 0.95) const;

 protected:
  // encode() before the types of the tokens are the model's. Here: one window, the text or the pair
  // as it is, cut to the model's length, or the image; the target as it is.
  virtual absl::StatusOr<std::vector<Features>> features_of(const Reading& reading,
                                                            const Sample& sample) const;

  // A metric as a function of examples, so that they can be drawn again.
  struct Score {
    enum class Kind { kShare, kPearson, kSpearman, kOther };  // kShare: a mean of 0 and 1
    std::string name;
    RowStatistic statistic;  // of rows 0..examples - 1
    Kind kind = Kind::kOther;
    double scale = 100;
  };
  struct Scores {
    int64_t examples = 0;  // whose target is known
    std::vector<Score> list;
  };
  virtual Scores scores(std::span<const Prediction> predictions,
                        const Examples& examples) const = 0;

  const std::vector<std::string>& labels() const { return labels_; }

 private:
  // The deciding one first.
  Scores sorted_scores(std::span<const Prediction> predictions, const Examples& examples) const;
  // Null where the task has no metric of this name; the first for "".
  static const Score* find(const Scores& scores, const std::string& metric);
  static Metric measure(const Score& score, int64_t examples);

  TaskKind kind_;
  std::vector<std::string> labels_;
  std::string metric_;
};

// INVALID_ARGUMENT names the known tasks, or the metrics that this one has.
absl::StatusOr<std::unique_ptr<Task>> make_task(const std::string& name,
                                                std::vector<std::string> labels = {},
                                                const std::string& metric = "");

// The first of the largest values, as torch's argmax; NaN never wins.
int32_t largest(std::span<const float> logits);

}  // namespace espalier
