// What is asked, and what the answers must be.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/options.h"

namespace espalier::load {

struct Body {
  std::string json;
  Json expected;  // null: any answer will do
};

// Files of a JSON document a line; line N of `expected`, which may be "", is the answer to line N.
absl::StatusOr<std::vector<Body>> read_bodies(const std::string& bodies,
                                              const std::string& expected);

// Whether two documents are equal, numbers to within `tolerance`.
bool matches(const Json& found, const Json& expected, double tolerance);

// What stands at a JSON pointer ("/outputs/0/data") in a text; null where there is no such thing.
Json value_at(const std::string& text, const std::string& pointer);

}  // namespace espalier::load
