// A model folder as it was uploaded, checked from headers alone.
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "core/spec/model_config.h"
#include "core/spec/safetensors.h"

namespace espalier {

struct ModelFolder {
  ModelConfig config;
  std::string name_prefix;  // "" or "bert.": what stands before the encoder's tensor names
  bool has_classifier = false;
  bool has_our_names = false;  // an artifact's weights: tensors carry the names of expected_tensors
  Counts counts;               // at 128 tokens
};

// Checks that a folder can be loaded: config.json, model.safetensors, vocab.txt, every expected
// encoder tensor with its shape and a dtype of F32, F16 or BF16, vocabulary no smaller than the
// embedding needs. A pytorch_model.bin without safetensors is refused as a pickle. Reads headers
// only. What the checkpoint lacks of pooler and classifier is taken out of the returned config
// (pooler_width or classes 0).
absl::StatusOr<ModelFolder> inspect_model_folder(const std::string& folder);

// Hugging Face tensor name of one of our names (see expected_tensors), or "" if it has none there.
std::string hugging_face_name(const ModelConfig& config, const std::string& ours);

// Name under which a checkpoint stores one of our tensors: prefix and old spellings
// (LayerNorm.gamma) tried; "" when it is not there.
std::string stored_name(const std::map<std::string, TensorInfo>& tensors, const ModelFolder& folder,
                        const std::string& ours);

}  // namespace espalier
