#include "core/task/task.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/image/prepare.h"
#include "core/spec/families.h"
#include "core/task/classification.h"
#include "core/task/fill_mask.h"
#include "core/task/multi_label.h"
#include "core/task/question_answering.h"
#include "core/task/regression.h"
#include "core/task/token_classification.h"

namespace espalier {
namespace {

double value_of(const RowStatistic& statistic, int64_t examples) {
  std::vector<int64_t> all(static_cast<size_t>(examples));
  std::iota(all.begin(), all.end(), 0);
  const double value = statistic(all);
  return std::isnan(value) ? 0 : value;
}

// Shares are means of 0 and 1, so one example's is whether it is right.
std::unique_ptr<bool[]> right_answers(const RowStatistic& share, int64_t examples) {
  auto out = std::make_unique<bool[]>(static_cast<size_t>(examples));
  for (int64_t i = 0; i < examples; ++i)
    out[static_cast<size_t>(i)] = share(std::span(&i, 1)) > 0.5;
  return out;
}

// The tokenizer's types as the model is given them.
absl::Status fit_types(const ModelConfig& config, std::vector<int32_t>& types) {
  if (!facts_of(config).reads_types) {
    std::fill(types.begin(), types.end(), 0);
    return absl::OkStatus();
  }
  const int known = std::max(config.token_types, 1);
  const auto wrong = std::find_if(types.begin(), types.end(),
                                  [&](int32_t type) { return type < 0 || type >= known; });
  if (wrong == types.end()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "token ", wrong - types.begin(), " has type ", *wrong, "; the model has ", known,
      known == 1 ? " type" : " types",
      " (type_vocab_size in config.json), from 0; a text without a pair, a model with more types "
      "or a tokenizer.json whose post_processor gives both texts type 0 would work"));
}

}  // namespace

Task::Task(const TaskKind& kind, std::vector<std::string> labels, std::string metric)
    : kind_(kind),
      labels_(std::move(labels)),
      metric_(metric.empty() ? deciding_metrics(kind.objective, labels_).front()
                             : std::move(metric)) {}

Task::Scores Task::sorted_scores(std::span<const Prediction> predictions,
                                 const Examples& examples) const {
  Scores out = scores(predictions, examples);
  std::stable_partition(out.list.begin(), out.list.end(),
                        [&](const Score& score) { return score.name == metric_; });
  return out;
}

absl::StatusOr<std::vector<Features>> Task::encode(const Reading& reading,
                                                   const Sample& sample) const {
  ESPALIER_ASSIGN_OR_RETURN(std::vector<Features> out, features_of(reading, sample));
  if (kind_.reads == Reads::kImage || reading.config == nullptr) return out;
  for (Features& window : out)
    ESPALIER_RETURN_IF_ERROR(fit_types(*reading.config, window.input.types));
  return out;
}

absl::StatusOr<std::vector<Features>> Task::features_of(const Reading& reading,
                                                        const Sample& sample) const {
  Features out;
  if (kind_.reads == Reads::kImage) {
    ESPALIER_ASSIGN_OR_RETURN(out.input, read_image(sample.image, *reading.config));
  } else {
    Encoding text =
        reading.tokenizer->encode(sample.text, sample.pair, sample.has_pair, reading.max_length);
    out.truncated = text.truncated;
    out.input.ids = std::move(text.ids);
    out.input.types = std::move(text.types);
  }
  out.target.assign(sample.target.begin(), sample.target.end());
  return std::vector<Features>{std::move(out)};
}

Metric Task::measure(const Score& score, int64_t examples) {
  const double value = value_of(score.statistic, examples);
  Interval interval{value, value};
  std::string name;
  switch (score.kind) {
    case Score::Kind::kShare:
      interval = clopper_pearson(std::llround(value * static_cast<double>(examples)), examples);
      name = "clopper-pearson";
      break;
    case Score::Kind::kPearson:
      interval = fisher_interval(value, examples);
      name = "fisher";
      break;
    case Score::Kind::kSpearman:
      interval = bonett_wright_interval(value, examples);
      name = "bonett-wright";
      break;
    case Score::Kind::kOther:
      // Without examples, or defined for no resample, it has none.
      if (const Interval drawn = bootstrap(examples, score.statistic).interval;
          !std::isnan(drawn.low)) {
        interval = drawn;
        name = "bootstrap";
      }
      break;
  }
  return {score.name,
          score.scale * value,
          score.scale * interval.low,
          score.scale * interval.high,
          examples,
          name};
}

std::vector<Metric> Task::evaluate(std::span<const Prediction> predictions,
                                   const Examples& examples) const {
  const Scores scores = sorted_scores(predictions, examples);
  std::vector<Metric> out;
  for (const Score& score : scores.list) out.push_back(measure(score, scores.examples));
  return out;
}

const Task::Score* Task::find(const Scores& scores, const std::string& metric) {
  const auto found = std::find_if(scores.list.begin(), scores.list.end(), [&](const Score& score) {
    return metric.empty() || score.name == metric;
  });
  return found == scores.list.end() ? nullptr : &*found;
}

double Task::figure(std::span<const Prediction> predictions, const Examples& examples,
                    const std::string& metric) const {
  const Scores scores = sorted_scores(predictions, examples);
  const Score* score = find(scores, metric);
  return score == nullptr ? 0 : score->scale * value_of(score->statistic, scores.examples);
}

PairedTest Task::paired_test(std::span<const Prediction> first, std::span<const Prediction> second,
                             const Examples& examples, const std::string& metric,
                             double confidence) const {
  const Scores one = sorted_scores(first, examples), other = sorted_scores(second, examples);
  const Score *score = find(one, metric), *others = find(other, metric);
  if (score == nullptr || others == nullptr) return {};
  const auto count = static_cast<size_t>(one.examples);
  const RowStatistic &a = score->statistic, &b = others->statistic;
  const PairedResult drawn = paired_bootstrap(one.examples, a, b, {.confidence = confidence});
  PairedTest out{"paired bootstrap", drawn.p_value};
  if (score->kind == Score::Kind::kShare) {
    const auto right = right_answers(a, one.examples), theirs = right_answers(b, one.examples);
    out = {"mcnemar exact", mcnemar_exact({right.get(), count}, {theirs.get(), count})};
  }
  const double scale = score->scale;
  const double difference = value_of(b, one.examples) - value_of(a, one.examples);
  // Without examples, or defined for no resample, it has no interval.
  const bool known = !std::isnan(drawn.interval.low);
  out.difference = scale * difference;
  out.low = scale * (known ? drawn.interval.low : difference);
  out.high = scale * (known ? drawn.interval.high : difference);
  return out;
}

int32_t largest(std::span<const float> logits) {
  size_t best = 0;
  for (size_t c = 1; c < logits.size(); ++c) {
    if (logits[c] > logits[best]) best = c;
  }
  return static_cast<int32_t>(best);
}

absl::StatusOr<std::unique_ptr<Task>> make_task(const std::string& name,
                                                std::vector<std::string> labels,
                                                const std::string& metric) {
  ESPALIER_ASSIGN_OR_RETURN(const TaskKind kind, find_task(name));
  ESPALIER_RETURN_IF_ERROR(check_metric(kind.objective, labels, metric));
  switch (kind.objective) {
    case Objective::kValue:
      return std::make_unique<Regression>(kind, std::move(labels), metric);
    case Objective::kLabels:
      return std::make_unique<MultiLabel>(kind, std::move(labels), metric);
    case Objective::kTokenClasses:
      return std::make_unique<TokenClassification>(kind, std::move(labels), metric);
    case Objective::kWords:
      return std::make_unique<FillMask>(kind, std::move(labels), metric);
    case Objective::kSpan:
      return std::make_unique<QuestionAnswering>(kind, std::move(labels), metric);
    case Objective::kClass:
      break;
  }
  return std::make_unique<Classification>(kind, std::move(labels), metric);
}

}  // namespace espalier
