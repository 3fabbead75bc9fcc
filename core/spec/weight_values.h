// What weights hold, as far as it can be told without a tensor library.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "core/spec/safetensors.h"

namespace espalier {

// INVALID_ARGUMENT with the tensor and the place when a value of F32, F16 or BF16 is NaN or
// infinite: such a model answers nothing and cannot be trained. Other dtypes pass.
absl::Status check_finite(const std::string& name, const TensorInfo& info, const std::byte* data);

}  // namespace espalier
