// One task = an example -> what the model reads, logits -> metrics; the same in training and in
// serving. What the tasks have in common stands in one table, spec/tasks.h.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/spec/targets.h"
#include "core/spec/tasks.h"
#include "core/task/intervals.h"
#include "core/text/tokenizer.h"

namespace espalier {

// A metric with its interval, in points: shares from 0 to 100, correlations from -100 to 100.
struct Metric {
  std::string name;                     // "accuracy"
  double value = 0, low = 0, high = 0;  // low, high: 95 % interval
  int64_t count = 0;                    // examples
  std::string interval;                 // "clopper-pearson", "bootstrap", ...
};

// What a model answered for one example.
struct Prediction {
  std::vector<float> logits;
  int32_t exit_layer = 0;  // 1-based
};

// One example as a data set or a client has it; views.
struct Sample {
  std::string_view text, pair;
  bool has_pair = false;
  std::span<const std::string> words;  // of a data set of words: instead of the text
  std::span<const float> target;       // as Rows has it; empty: not known
};

// A word that has a label of its own.
struct Word {
  int32_t index = 0;      // in the text
  int32_t token = 0;      // the first of its tokens in the input
  Span place;             // in the text, in code points
  std::string_view text;  // of the sample
};

// One example as the model reads it.
struct Features {
  Encoding input;
  std::vector<float> target;  // what make_batch() needs; empty: not known
  std::vector<Word> words;    // that fit into the input, where words have labels
};

// Whether two models answer the same examples differently well.
struct PairedTest {
  std::string name;
  double p_value = 1;  // two-sided
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
  // Outputs of the head for `labels` label names.
  int outputs(int labels) const { return head_outputs(kind_.objective, labels); }
  // The metric that decides.
  const std::string& metric() const { return metric_; }

  // The text, or the pair, as it is; the target as it is.
  virtual Features encode(const Tokenizer& tokenizer, const Sample& sample, int max_length) const;

  // `predictions` and `targets` are of the same examples in the same order.
  //
  // All metrics, the first one being the one that constraints and selection use. Examples whose
  // target is not known are left out. A figure that is not defined (the correlation with answers
  // that are all equal) counts as 0.
  std::vector<Metric> evaluate(std::span<const Prediction> predictions,
                               const Targets& targets) const;
  // One figure without its interval, which costs a thousand times less: the metric of this name,
  // the first for "". 0 for a name that the task does not have.
  double figure(std::span<const Prediction> predictions, const Targets& targets,
                const std::string& metric = "") const;
  // By the first metric: exact McNemar for an accuracy, else the paired bootstrap.
  PairedTest paired_test(std::span<const Prediction> first, std::span<const Prediction> second,
                         const Targets& targets) const;

 protected:
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
  virtual Scores scores(std::span<const Prediction> predictions, const Targets& targets) const = 0;

  const std::vector<std::string>& labels() const { return labels_; }

 private:
  // The deciding one first.
  Scores sorted_scores(std::span<const Prediction> predictions, const Targets& targets) const;
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
