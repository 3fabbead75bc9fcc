// A model folder as it was uploaded, checked from headers alone.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "core/spec/model_config.h"

namespace espalier {

struct ModelFolder {
  ModelConfig config;
  std::string name_prefix;  // "" or "bert.": what stands before the encoder's tensor names
  bool has_classifier = false;
  Counts counts;            // at 128 tokens
};

// Checks that a folder can be loaded: config.json, model.safetensors, vocab.txt, every expected encoder
// tensor with its shape and a dtype of F32, F16 or BF16, vocabulary no smaller than the embedding needs.
// A pytorch_model.bin without safetensors is refused as a pickle. Reads headers only.
absl::StatusOr<ModelFolder> inspect_model_folder(const std::string& folder);

// Hugging Face tensor name of one of our names (see expected_tensors), or "" if it has none there.
std::string hugging_face_name(const ModelConfig& config, const std::string& ours);

}  // namespace espalier
