// Every linear layer that a config has, with its logical size. Counts, expected tensors and the
// checks of ModelConfig::linears all walk this one list.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/spec/model_config.h"

namespace espalier {

struct LinearSlot {
  // Which rows it reads: all tokens (kEmbedding, kLayer, kTokenHead: a classifier of every token,
  // lm.dense), the patches of an image, or one (kHead: pooler and classifier; kExit).
  enum class Place { kEmbedding, kPatch, kLayer, kHead, kTokenHead, kExit };
  std::string name;                 // "layers.0.ffn.up"
  int64_t outputs = 0, inputs = 0;  // weight is [outputs, inputs]
  Place place = Place::kLayer;
  int layer = 0;  // kLayer: which
};
std::vector<LinearSlot> linear_slots(const ModelConfig& config);

// How a slot is stored (dense unless the config says otherwise).
LinearShape stored_shape(const ModelConfig& config, const std::string& name);

}  // namespace espalier
