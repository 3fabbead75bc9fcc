#include "core/job/measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/base/random.h"
#include "core/base/status_macros.h"
#include "core/job/timing.h"
#include "core/model/row_logits.h"

namespace espalier {
namespace {

constexpr int64_t kTokensABatch = 2048;
constexpr int kWarmUp = 10;

runtime::Row row_of(const InputView& input, double threshold) {
  runtime::Row row;
  row.input = input.copy();
  row.exit_threshold = threshold;
  return row;
}

// What is read of an answer, but for how sure it is.
std::vector<std::vector<int>> said_by(const runtime::Answer& answer, Objective objective) {
  if (objective == Objective::kValue) return {};
  if (objective == Objective::kClass) return {{answer.label}};
  if (objective == Objective::kLabels) return {answer.labels};
  std::vector<std::vector<int>> out;
  for (const int label : answer.labels) out.push_back({label});
  for (const auto& guesses : answer.words) out.push_back({guesses.front().id});
  if (!answer.sentence_logits.empty()) out.push_back({largest(answer.sentence_logits)});
  return out;
}

// Sums over the answers to the same rows.
struct GapSums {
  int64_t said = 0, same = 0, logits = 0;
  double distance = 0, largest = 0;

  void add(const runtime::Answer& exact, const runtime::Answer& rounded, Objective objective) {
    const auto a = said_by(exact, objective), b = said_by(rounded, objective);
    for (size_t i = 0; i < a.size(); ++i) same += a[i] == b[i];
    said += static_cast<int64_t>(a.size());
    add(exact.logits, rounded.logits);
    add(exact.sentence_logits, rounded.sentence_logits);
  }
  void add(const std::vector<float>& a, const std::vector<float>& b) {
    for (size_t i = 0; i < a.size(); ++i) {
      const double gap = std::abs(static_cast<double>(a[i]) - b[i]);
      distance += gap;
      largest = std::max(largest, gap);
    }
    logits += static_cast<int64_t>(a.size());
  }
};

}  // namespace

absl::StatusOr<std::vector<Prediction>> predict_all(runtime::Engine& engine,
                                                    const Examples& examples, const Task& task,
                                                    double threshold,
                                                    const std::function<void()>& tick) {
  std::vector<Prediction> out(static_cast<size_t>(examples.size()));
  for (const auto& indices : evaluation_batches(examples, kTokensABatch)) {
    std::vector<runtime::Row> rows;
    for (int64_t i : indices) rows.push_back(row_of(examples.input(i), threshold));
    ESPALIER_ASSIGN_OR_RETURN(auto answers, engine.predict(rows));
    for (size_t k = 0; k < indices.size(); ++k) {
      out[indices[k]] =
          task.prediction(joined(std::move(answers[k].logits), answers[k].sentence_logits),
                          answers[k].exit_layer, examples, indices[k]);
    }
    if (tick) tick();
  }
  return out;
}

double mean_exit_layer(const std::vector<Prediction>& predictions) {
  double sum = 0;
  for (const Prediction& p : predictions) sum += p.exit_layer;
  return predictions.empty() ? 0 : sum / static_cast<double>(predictions.size());
}

double mean_macs(const ModelConfig& config, const Examples& examples,
                 const std::vector<Prediction>& predictions) {
  auto layers = static_cast<int>(config.layers.size());
  double sum = 0;
  for (int64_t i = 0; i < examples.size(); ++i) {
    Counts counts = count(config, examples.tokens(i));
    if (predictions.empty()) {
      sum += counts.macs;
      continue;
    }
    int exit = predictions[static_cast<size_t>(i)].exit_layer;
    double all_layers = std::accumulate(counts.layer_macs.begin(), counts.layer_macs.end(), 0.0);
    sum += std::accumulate(counts.layer_macs.begin(), counts.layer_macs.begin() + exit, 0.0);
    double head =
        config.heads.empty() ? 0 : counts.exit_macs / static_cast<double>(config.heads.size());
    for (const HeadSpec& spec : config.heads) sum += spec.layer < exit ? head : 0;
    if (exit == layers) sum += counts.macs - all_layers;
  }
  return sum / static_cast<double>(examples.size());
}

absl::StatusOr<std::vector<Latency>> single_row_latency(
    const std::vector<runtime::Engine*>& engines, const Examples& examples, int rows) {
  using Clock = std::chrono::steady_clock;
  std::vector<std::vector<double>> times(engines.size());
  double tokens = 0;
  for (int i = -kWarmUp; i < rows; ++i) {
    const InputView input = examples.input((i + kWarmUp) % examples.size());
    for (size_t e = 0; e < engines.size(); ++e) {
      runtime::Row row = row_of(input, std::numeric_limits<double>::quiet_NaN());
      auto start = Clock::now();
      ESPALIER_RETURN_IF_ERROR(engines[e]->predict({&row, 1}).status());
      std::chrono::duration<double, std::milli> took = Clock::now() - start;
      if (i >= 0) times[e].push_back(took.count());
    }
    if (i >= 0) tokens += static_cast<double>(input.tokens());
  }
  std::vector<Latency> out;
  for (auto& t : times) {
    std::sort(t.begin(), t.end());
    out.push_back({t[t.size() / 2], t[t.size() * 95 / 100], tokens / rows, rows,
                   engines[out.size()]->info().products});
  }
  return out;
}

absl::StatusOr<std::vector<double>> batch_times(const std::vector<runtime::Engine*>& engines,
                                                int rows, int tokens) {
  const runtime::ModelInfo& info = engines.front()->info();
  Random random(1);
  std::vector<runtime::Row> batch(rows, engines.front()->probe());
  for (runtime::Row& row : batch) {
    row.max_exit_layer = 0;
    if (info.reads == Reads::kImage) continue;
    row.input = Input();
    for (int i = 0; i < tokens; ++i)
      row.input.ids.push_back(static_cast<int32_t>(random.below(info.vocabulary)));
    row.input.types.assign(row.input.ids.size(), 0);
    if (info.objective == Objective::kWords) row.input.asked = {0};
  }
  absl::Status failed;
  std::vector<std::function<void()>> acts;
  for (runtime::Engine* engine : engines) {
    acts.emplace_back([&, engine] {
      for (runtime::Row& row : batch) {
        row.exit_threshold = engine->info().has_exits ? engine->info().threshold_low
                                                      : std::numeric_limits<double>::quiet_NaN();
      }
      failed.Update(engine->predict(batch).status());
    });
  }
  std::vector<double> out = medians_in_turns(acts, {.most = 15, .milliseconds = 2000});
  ESPALIER_RETURN_IF_ERROR(failed);
  return out;
}

absl::StatusOr<PrecisionGap> precision_gap(runtime::Engine& exact, runtime::Engine& rounded,
                                           const Examples& examples, int64_t rows) {
  const runtime::ModelInfo& info = exact.info();
  const double never =
      info.has_exits ? info.threshold_low : std::numeric_limits<double>::quiet_NaN();
  GapSums sums;
  rows = std::min(rows, examples.size());
  for (int64_t i = 0; i < rows;) {
    std::vector<runtime::Row> batch;
    for (int64_t tokens = 0; i < rows && tokens < kTokensABatch; ++i) {
      tokens += examples.tokens(i);
      batch.push_back(row_of(examples.input(i), never));
    }
    ESPALIER_ASSIGN_OR_RETURN(const auto right, exact.predict(batch));
    ESPALIER_ASSIGN_OR_RETURN(const auto near, rounded.predict(batch));
    for (size_t k = 0; k < batch.size(); ++k) sums.add(right[k], near[k], info.objective);
  }
  PrecisionGap out;
  out.rows = rows;
  if (sums.said > 0)
    out.agreement = 100.0 * static_cast<double>(sums.same) / static_cast<double>(sums.said);
  out.largest = sums.largest;
  if (sums.logits > 0) out.mean = sums.distance / static_cast<double>(sums.logits);
  return out;
}

}  // namespace espalier
