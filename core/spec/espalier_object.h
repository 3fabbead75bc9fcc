// The "espalier" object in the config.json of our artifacts: what Hugging Face's keys cannot say.
// Hugging Face's keys stand beside it where they can.
#pragma once

#include "core/spec/fields.h"
#include "core/spec/model_config.h"

namespace espalier {

// Larger than any encoder; small enough that a hostile config cannot make anybody allocate much.
constexpr int64_t kMaxWidth = 65536, kMaxLayers = 1024, kMaxHeads = 1024, kMaxNeurons = 1 << 20;
constexpr int64_t kMaxVocabulary = 1 << 24, kMaxPositions = 1 << 20, kMaxHeadSpecs = 4096;

// Each takes `fields` of the whole config.json and changes what the object says; what it leaves out
// stays. Problems are remembered by `fields`.
void read_traits(Fields& fields, ModelConfig& out);    // the embedding's and the stack's kind
void read_layers(Fields& fields, ModelConfig& out);    // per layer, or else all equal by the keys
void read_own_head(Fields& fields, ModelConfig& out);  // task head, exits, stored linears
Json write_espalier(const ModelConfig& config);

// Width of a head where a layer does not say its own.
int common_head_dim(const ModelConfig& config);

}  // namespace espalier
