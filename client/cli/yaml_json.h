// YAML as JSON, by the rules of YAML 1.2's core schema: only true and false are booleans, what is
// quoted is a string.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "core/base/options.h"

namespace espalier::cli {

// INVALID_ARGUMENT names `origin` (a file, a flag) and the line. A key that stands twice is
// refused, and so is a number that is not finite (.nan, .inf, 1e999), by the path of its field:
// JSON has none, and would carry on as if nothing had been written. `field` is where the document
// stands.
absl::StatusOr<Json> yaml_to_json(const std::string& yaml, const std::string& origin,
                                  const std::string& field = "");

}  // namespace espalier::cli
