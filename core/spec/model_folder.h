// A model folder as it was uploaded, checked before anything is made of it.
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "core/spec/model_config.h"
#include "core/spec/safetensors.h"

namespace espalier {

struct ModelFolder {
  ModelConfig config;
  std::string name_prefix;      // "" or the family's ("bert."): before the encoder's tensor names
  bool has_classifier = false;  // for labels; a next-sentence head is none
  bool has_our_names = false;  // an artifact's weights: tensors carry the names of expected_tensors
  Counts counts;               // at 128 tokens; images: at all of theirs
};

// Checks that a folder can be loaded: config.json, weights (see WeightFiles), every expected tensor
// with its shape, a dtype of F32, F16 or BF16 and finite values, a tokenizer that the embedding has
// rows for. A pytorch_model.bin without safetensors is refused as a pickle.
//
// The head is the one that the weights hold (the one that `architectures` name, if they hold
// several): config.head says which, and what they lack of pooler and classifier is taken out of the
// returned config (pooler_width or classes 0). Tensors of other heads are ignored, those of layers
// that config.json does not have are refused.
// preprocessor_config.json of image models goes into config.image; 1_Pooling/config.json of
// sentence-transformers into config.pooling where the checkpoint has no classifier.
absl::StatusOr<ModelFolder> inspect_model_folder(const std::string& folder);

// Hugging Face tensor name of one of our names (see expected_tensors) without the family's prefix,
// or "" if it has none there.
std::string hugging_face_name(const ModelConfig& config, const std::string& ours);

// Name under which a checkpoint stores one of our tensors: prefix, other and old spellings
// (LayerNorm.gamma) tried; "" when it is not there. Its shape there may have more axes than ours
// (their_shape), with as many elements in the same order.
std::string stored_name(const std::map<std::string, TensorInfo>& tensors, const ModelFolder& folder,
                        const std::string& ours);

}  // namespace espalier
