// The JSON header of a safetensors file, read event by event: a hostile header costs no more memory
// than its names, cannot nest, and cannot name a tensor twice.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/spec/safetensors.h"

namespace espalier {

struct SafetensorsHeader {
  std::map<std::string, TensorInfo> tensors;
  std::map<std::string, std::string> metadata;
};

// Syntax only: names, dtypes, shapes and offsets are as written. Messages lack the file's name.
absl::StatusOr<SafetensorsHeader> parse_safetensors_header(std::string_view json);

}  // namespace espalier
