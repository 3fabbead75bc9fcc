#include "tests/bench/serving/load_bodies.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/files.h"
#include "core/base/status_macros.h"

namespace espalier::load {
namespace {

absl::StatusOr<std::vector<std::string>> lines_of(const std::string& path) {
  ESPALIER_ASSIGN_OR_RETURN(const std::string text, read_file(path));
  std::vector<std::string> lines = absl::StrSplit(text, '\n', absl::SkipEmpty());
  if (lines.empty()) return absl::InvalidArgumentError(absl::StrCat(path, " has no line"));
  return lines;
}

}  // namespace

absl::StatusOr<std::vector<Body>> read_bodies(const std::string& bodies,
                                              const std::string& expected) {
  ESPALIER_ASSIGN_OR_RETURN(std::vector<std::string> asked, lines_of(bodies));
  std::vector<Body> out;
  for (std::string& line : asked) out.push_back({std::move(line), Json()});
  if (expected.empty()) return out;
  ESPALIER_ASSIGN_OR_RETURN(const std::vector<std::string> answers, lines_of(expected));
  if (answers.size() != out.size()) {
    return absl::InvalidArgumentError(absl::StrCat(bodies, " has ", out.size(), " lines, ",
                                                   expected, " ", answers.size(),
                                                   "; every request needs its answer or null"));
  }
  for (size_t i = 0; i < out.size(); ++i) {
    out[i].expected = Json::parse(answers[i], nullptr, /*allow_exceptions=*/false);
    if (out[i].expected.is_discarded())
      return absl::InvalidArgumentError(absl::StrCat(expected, " line ", i + 1, " is no JSON"));
  }
  return out;
}

bool matches(const Json& found, const Json& expected, double tolerance) {
  if (found.is_number() && expected.is_number())
    return std::abs(found.get<double>() - expected.get<double>()) <= tolerance;
  if (!found.is_array() || !expected.is_array()) return found == expected;
  return std::equal(
      found.begin(), found.end(), expected.begin(), expected.end(),
      [&](const Json& one, const Json& other) { return matches(one, other, tolerance); });
}

Json value_at(const std::string& text, const std::string& pointer) {
  const Json parsed = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  const Json::json_pointer place(pointer);
  return parsed.is_structured() && parsed.contains(place) ? parsed.at(place) : Json();
}

}  // namespace espalier::load
