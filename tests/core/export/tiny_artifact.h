// An artifact's folder for tests: 2 layers, D = 8, 2 heads of 4, 6 neurons, 10 words; every value
// of a tensor is a count from 1 on, over 100.
#pragma once

#include <string>

#include "core/base/files.h"
#include "core/export/stored_artifact.h"
#include "core/spec/int8_rows.h"
#include "core/spec/stored_weights.h"
#include "tests/core/spec/scratch.h"

namespace espalier::testing {

inline ModelConfig tiny_config() {
  ModelConfig config;
  config.hidden = 8;
  config.original_heads = 2;
  config.layers.assign(2, LayerShape{{0, 1}, 4, 6});
  config.vocabulary = 10;
  config.positions = 12;
  config.token_types = 2;
  config.pooler_width = 8;
  config.classes = 2;
  return config;
}

inline absl::Status write_tiny(const std::string& folder, const ModelConfig& config,
                               const std::string& task) {
  std::vector<Values> hold;
  std::vector<TensorView> views;
  const auto expected = expected_tensors(config);
  hold.reserve(expected.size());
  for (const auto& [name, shape] : expected) {
    int64_t size = 1;
    for (const int64_t n : shape) size *= n;
    hold.push_back({shape, {}});
    for (int64_t i = 1; i <= size; ++i) hold.back().data.push_back(static_cast<float>(i) / 100);
    views.push_back({name, "F32", shape, hold.back().data.data()});
  }
  const Json spec = {{"format", 1},      {"task", task},        {"label_names", Json::array()},
                     {"max_length", 12}, {"precision", "fp32"}, {"exit", nullptr}};
  absl::Status done = make_folders(folder);
  done.Update(write_safetensors(folder + "/model.safetensors", std::move(views)));
  done.Update(write_file(folder + "/config.json", write_model_config(config).dump()));
  done.Update(write_file(folder + "/espalier.json", spec.dump()));
  if (!config.reads_images()) done.Update(write_file(folder + "/vocab.txt", "a\nb\n"));
  return done;
}

// The same artifact in int8, and a golden file with this slack.
inline absl::Status narrow_tiny(const std::string& folder, const ModelConfig& config,
                                double slack) {
  const auto weights = WeightFiles::open_single(folder);
  if (!weights.ok()) return weights.status();
  std::map<std::string, Int8Rows> hold;
  std::vector<TensorView> views;
  for (const auto& [name, shape] : expected_tensors(config)) {
    const auto* values = reinterpret_cast<const float*>(weights->data(name));
    if (!is_narrowed(name, shape)) {
      views.push_back({name, "F32", shape, values});
      continue;
    }
    const Int8Rows& rows = hold[name] = quantise_rows(values, shape[0], shape[1]);
    views.push_back({name, "I8", shape, rows.numbers.data()});
    views.push_back({scale_name(name), "F32", {shape[0]}, rows.scales.data()});
  }
  Json spec = *read_json(folder + "/espalier.json");
  spec["precision"] = "int8";
  spec["format"] = artifact_format(Precision::kInt8);
  absl::Status done = write_safetensors(folder + "/model.safetensors", std::move(views));
  done.Update(write_safetensors(folder + "/golden.safetensors", {{"slack", "F64", {1}, &slack}}));
  done.Update(write_file(folder + "/espalier.json", spec.dump()));
  return done;
}

// The artifact lives in `scratch`.
inline StoredArtifact tiny_artifact(const Scratch& scratch, const ModelConfig& config,
                                    const std::string& task = "text-classification") {
  const std::string folder = scratch.path() + "/artifact";
  EXPECT_TRUE(write_tiny(folder, config, task).ok());
  auto artifact = open_artifact(folder);
  EXPECT_TRUE(artifact.ok()) << artifact.status();
  return *std::move(artifact);
}

}  // namespace espalier::testing
