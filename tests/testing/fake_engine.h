// An engine without weights: what a row is answered follows from its ids alone, so tests can tell
// whose answer they got. A text becomes one id a character (its byte), between 101 and 102.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/runtime/engine.h"

namespace espalier::testing {

inline runtime::ModelInfo fake_info() {
  runtime::ModelInfo info;
  info.task = "text-classification";
  info.label_names = {"negative", "positive"};
  info.layers = 4;
  info.max_length = 16;
  info.vocabulary = 300;
  info.token_types = 2;
  info.has_exits = true;
  info.exit_method = "fake";
  info.exit_threshold = 0.5;
  info.threshold_low = 0;
  info.threshold_high = 1;
  info.precision = "bf16";
  info.products = "fp32";  // as on a machine that does not multiply bf16
  info.weights_sha256 = std::string(64, 'a');
  return info;
}

class FakeEngine : public runtime::Engine {
 public:
  explicit FakeEngine(runtime::ModelInfo info = fake_info()) : info_(std::move(info)) {}

  const runtime::ModelInfo& info() const override { return info_; }

  absl::StatusOr<std::vector<Features>> encode(const Sample& sample) const override {
    if (on_encode) on_encode();
    Features features;
    if (info_.reads == Reads::kImage) {  // a file is its own pixels
      features.input.pixels.assign(sample.image.begin(), sample.image.end());
      features.input.image_tokens = info_.max_length;
      return std::vector<Features>{std::move(features)};
    }
    Input& encoding = features.input;
    const auto add = [&](std::string_view part, int32_t type) {
      for (unsigned char c : part) encoding.ids.push_back(c);
      encoding.ids.push_back(102);
      encoding.types.resize(encoding.ids.size(), type);
    };
    encoding.ids.push_back(101);
    add(sample.text, 0);
    if (sample.has_pair) add(sample.pair, 1);
    features.truncated = encoding.ids.size() > static_cast<size_t>(info_.max_length);
    if (features.truncated) {
      encoding.ids.resize(static_cast<size_t>(info_.max_length));
      encoding.types.resize(encoding.ids.size());
    }
    return std::vector<Features>{std::move(features)};
  }

  runtime::Row probe() const override {
    runtime::Row row;
    row.input.ids = {101, 'o', 'k', 102};
    row.input.types = {0, 0, 0, 0};
    return row;
  }

  absl::StatusOr<std::vector<runtime::Answer>> predict(
      std::span<const runtime::Row> rows) override {
    if (on_predict) {
      if (absl::Status status = on_predict(rows); !status.ok()) return status;
    }
    std::vector<runtime::Answer> answers;
    for (const runtime::Row& row : rows) answers.push_back(answer(row));
    return answers;
  }

  // What predict gives for a row.
  runtime::Answer answer(const runtime::Row& row) const {
    double sum = 0;
    for (size_t i = 0; i < row.input.ids.size(); ++i) {
      sum += row.input.ids[i] * static_cast<double>(i + 1) + row.input.types[i];
    }
    runtime::Answer answer;
    answer.logits = {0.0f, static_cast<float>(std::sin(sum))};
    const float odds = std::exp(answer.logits[1]);
    answer.probabilities = {1 / (1 + odds), odds / (1 + odds)};
    answer.label = answer.logits[1] > 0 ? 1 : 0;
    answer.confidence = std::max(answer.probabilities[0], answer.probabilities[1]);
    // The higher the threshold, the later the exit; the caller's limit comes on top.
    const double threshold =
        std::isnan(row.exit_threshold) ? info_.exit_threshold : row.exit_threshold;
    answer.exit_layer = 1 + static_cast<int>(threshold * (info_.layers - 1));
    if (row.max_exit_layer > 0) answer.exit_layer = std::min(answer.exit_layer, row.max_exit_layer);
    return answer;
  }

  // Called before each encoding, on the thread that asks for it.
  std::function<void()> on_encode;
  // Called before each batch, on the thread that runs it; an error fails the batch.
  std::function<absl::Status(std::span<const runtime::Row>)> on_predict;

 private:
  runtime::ModelInfo info_;
};

}  // namespace espalier::testing
