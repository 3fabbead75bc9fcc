// Files of an uploaded folder that are read whole: only when they are no larger than they may be.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/options.h"

namespace espalier {

bool is_file(const std::string& path);
absl::StatusOr<std::string> read_bounded(const std::string& path, uint64_t max_bytes);
absl::StatusOr<Json> read_bounded_json(const std::string& path, uint64_t max_bytes);

}  // namespace espalier
