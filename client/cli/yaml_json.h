// YAML as JSON, by the rules of YAML 1.2's core schema: only true and false are booleans, what is
// quoted is a string.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "core/base/options.h"

namespace espalier::cli {

// INVALID_ARGUMENT names `origin` (a file, a flag) and the line. A key that stands twice is
// refused.
absl::StatusOr<Json> yaml_to_json(const std::string& yaml, const std::string& origin);

}  // namespace espalier::cli
