// A model small enough for laws: 3 layers, D = 16, 4 heads of 4, 24 neurons, 40 words.
#pragma once

#include <string>
#include <vector>

#include "core/base/random.h"
#include "core/data/dataset.h"
#include "core/model/gates.h"
#include "core/model/model.h"

namespace espalier::testing {

inline ModelConfig tiny_config(int classes = 3) {
  ModelConfig config;
  config.hidden = 16;
  config.original_heads = 4;
  for (int i = 0; i < 3; ++i) config.layers.push_back({{0, 1, 2, 3}, 4, 24});
  config.vocabulary = 40;
  config.positions = 32;
  config.token_types = 2;
  config.pooler_width = 16;
  config.classes = classes;
  for (int i = 0; i < classes; ++i)
    config.label_names.push_back(std::string(1, static_cast<char>('a' + i)));
  return config;
}

// Weights wide enough that every unit matters (0.02 would leave all logits equal).
inline Model tiny_model(uint64_t seed = 1, int classes = 3) {
  Model model = random_model(tiny_config(classes), seed);
  auto generator = at::detail::createCPUGenerator(seed + 1000);
  model.for_each([&](const std::string& name, Tensor& t) {
    double spread = name.find("embeddings") != std::string::npos ? 1.0 : 0.35;
    if (name.find("norm.weight") != std::string::npos) {
      t = 1 + at::empty_like(t).normal_(0, 0.2, generator);
    } else {
      t = at::empty_like(t).normal_(0, spread, generator);
    }
  });
  return model;
}

// Rows of 1 to 12 tokens. The label is how often word 7 occurs, up to classes - 1: learnable.
inline Examples tiny_examples(int rows, uint64_t seed = 1, int classes = 3) {
  Random random(seed);
  Examples out;
  for (int i = 0; i < rows; ++i) {
    Input input;
    int length = 1 + static_cast<int>(random.below(12));
    int sevens = 0;
    for (int t = 0; t < length; ++t) {
      auto id = static_cast<int32_t>(random.below(4) == 0 ? 7 : 1 + random.below(39));
      sevens += id == 7 ? 1 : 0;
      input.ids.push_back(id);
      input.types.push_back(t > length / 2 ? 1 : 0);
    }
    const auto label = static_cast<float>(std::min(sevens, classes - 1));
    out.add(input, std::span(&label, 1));
  }
  return out;
}

inline Batch tiny_batch(const Examples& examples, int rows) {
  std::vector<int64_t> index;
  for (int i = 0; i < rows; ++i) index.push_back(i);
  return make_batch(examples, index);
}

inline double max_gap(const Tensor& a, const Tensor& b) {
  return (a - b).abs().max().item<double>();
}

// Random gates of every kind: soft values, about a third of the units exactly 0.
inline Gates random_gates(const ModelConfig& config, uint64_t seed, bool hidden = true) {
  auto generator = at::detail::createCPUGenerator(seed);
  auto make = [&](at::IntArrayRef shape) {
    Tensor soft = at::empty(shape).uniform_(0.3, 1.2, generator);
    return soft * at::empty(shape).uniform_(0, 1, generator).gt(0.33).to(at::kFloat);
  };
  auto layers = static_cast<int64_t>(config.layers.size());
  int64_t heads = 0, neurons = 0;
  for (const LayerShape& layer : config.layers) {
    heads = std::max<int64_t>(heads, static_cast<int64_t>(layer.kept_heads.size()));
    neurons = std::max<int64_t>(neurons, layer.neurons);
  }
  Gates gates;
  gates.attention = make({layers});
  gates.ffn = make({layers});
  gates.head = make({layers, heads});
  gates.neuron = make({layers, neurons});
  if (hidden) gates.hidden = make({config.hidden});
  gates.weight["layers.1.ffn.up"] = make({config.layers[1].neurons, config.hidden});
  return gates;
}

}  // namespace espalier::testing
