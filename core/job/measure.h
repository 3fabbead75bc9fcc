// Figures of a saved artifact, measured through runtime::Engine: every number that we report is a
// number of the thing that is served.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/data/dataset.h"
#include "core/runtime/engine.h"
#include "core/spec/model_config.h"

namespace espalier {

// Predictions for all examples, in their order. `threshold` NaN: the artifact's own.
absl::StatusOr<std::vector<Prediction>> predict_all(runtime::Engine& engine,
                                                    const Examples& examples, const Task& task,
                                                    double threshold,
                                                    const std::function<void()>& tick);

double mean_exit_layer(const std::vector<Prediction>& predictions);
// Multiply-accumulates that the predictions took on average: layers up to each row's exit, the exit
// heads that it passed, and the classifier for those that went through; lengths as they are.
// Without predictions: every row through the whole model.
double mean_macs(const ModelConfig& config, const Examples& examples,
                 const std::vector<Prediction>& predictions);

// Times of single rows, the engines taking turns on the same row so that drift hits both; medians
// over `rows` rows, after a warm-up.
struct Latency {
  double median_ms = 0, p95_ms = 0, mean_tokens = 0;
  int samples = 0;
  std::string products;  // in what the engine multiplied, see ModelInfo
};
absl::StatusOr<std::vector<Latency>> single_row_latency(
    const std::vector<runtime::Engine*>& engines, const Examples& examples, int rows);

// Median milliseconds of a batch of `rows` texts of `tokens` random words (or of images), as an
// engine is asked for it; the engines take turns. Nobody leaves early.
absl::StatusOr<std::vector<double>> batch_times(const std::vector<runtime::Engine*>& engines,
                                                int rows, int tokens);

// How far the answers of a precision lie from fp32's, at full depth: what leaves early would be
// compared with what another layer says.
struct PrecisionGap {
  int64_t rows = 0;
  // Answers that are the same, in percent: the label or the set of labels of a row, the label of a
  // token, either end of a span, an asked word, whether a sentence follows. None of values.
  std::optional<double> agreement;
  double largest = 0, mean = 0;  // between logits
};
// Of the first rows of `examples`, at most `rows`; both engines are of one task.
absl::StatusOr<PrecisionGap> precision_gap(runtime::Engine& exact, runtime::Engine& rounded,
                                           const Examples& examples, int64_t rows);

}  // namespace espalier
