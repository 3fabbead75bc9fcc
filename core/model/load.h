// Weights from disk.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "core/model/model.h"

namespace espalier {

// A Hugging Face folder (checked by inspect_model_folder first); fp16 and bf16 become fp32.
absl::StatusOr<Model> load_hugging_face(const std::string& folder);
// Tensors by our own names from one safetensors file, as CPU copies.
absl::StatusOr<std::map<std::string, Tensor>> load_tensors(const std::string& path);
absl::Status save_tensors(const std::string& path, const std::map<std::string, Tensor>& tensors,
                          const std::map<std::string, std::string>& metadata = {});
// SHA-256 over names, shapes, dtypes and bytes: equal for equal weights.
std::string weights_digest(const std::map<std::string, Tensor>& tensors);

}  // namespace espalier
