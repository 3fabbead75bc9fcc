// report.json, its short form and the model card.
#pragma once

#include <string>
#include <vector>

#include "core/base/options.h"
#include "core/job/measure.h"

namespace espalier {

// What the thresholds of exits were judged by where the calibrate split has no labels; in the facts
// of that phase as "judged_by".
inline constexpr char kAgreement[] = "agreement with the last layer";

// One model's column of the table.
struct Column {
  ModelConfig config;
  std::vector<Metric> metrics;  // on the report split
  Latency latency;
  double macs = 0;             // full depth, at the report split's mean length
  double macs_with_exits = 0;  // average that the predictions really took
  double mean_exit_layer = 0;
  double nonzero_parameters = 0;  // of the layers, as they are stored
  uint64_t bytes = 0;             // of model.safetensors
  std::string precision;          // of the weights, and of the products behind every figure but
                                  // the latency, which has its own
  double exit_threshold = -1;     // < 0: no exits
};
Json column_json(const Column& column, double dense_encoder_parameters);
// The figures that another precision changes, alone.
Json figures_json(const Column& column);
Json metric_json(const Metric& metric);
Json gap_json(const PrecisionGap& gap);

// The few figures that a list of artifacts shows.
Json summary_of(const Json& report, const std::string& role);
// README.md of the artifact, in the layout of Hugging Face model cards.
std::string model_card(const Json& report, const std::string& role);

}  // namespace espalier
