// How pixels become a model's input, on disk: in our config.json and in Hugging Face's
// preprocessor_config.json. See ImageSettings.
#pragma once

#include "absl/status/status.h"
#include "core/spec/fields.h"
#include "core/spec/model_config.h"

namespace espalier {

// Our own object (what write_image_settings writes); fields left out stay as they are.
void read_image_settings(Fields& fields, ModelConfig& config);
Json write_image_settings(const ImageSettings& settings);

// Hugging Face's. The result must have the model's side: no resizing, or exactly to it.
absl::Status read_preprocessor(const Json& json, ModelConfig& config);

}  // namespace espalier
