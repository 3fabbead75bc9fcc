#include "client/cli/yaml_json.h"

#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "client/cli/exit_code.h"
#include "core/base/guard.h"

namespace espalier::cli {
namespace {

// Where a node stands: "r.yaml", "prune.learning_rate".
struct Place {
  const std::string& origin;
  std::string field;

  Place below(const std::string& name) const {
    return {origin, field.empty() ? name : absl::StrCat(field, ".", name)};
  }
  absl::Status refuse(const YAML::Mark& mark, absl::string_view what) const {
    return usage_error(absl::StrCat(origin, ":", mark.line + 1, ": ", what));
  }
};

// How the core schema writes what is no finite number; 1e999 is one more way.
bool is_infinity_or_nan(const std::string& text) {
  const size_t sign = text.find_first_of("+-") == 0 ? 1 : 0;
  const auto word = absl::string_view(text).substr(sign);
  if (word == ".inf" || word == ".Inf" || word == ".INF") return true;
  return text == ".nan" || text == ".NaN" || text == ".NAN";
}

Json scalar(const YAML::Node& node, const Place& place) {
  const std::string& text = node.Scalar();
  if (node.Tag() == "!") return text;  // quoted
  if (text == "true") return true;
  if (text == "false") return false;
  if (text.empty() || text == "~" || text == "null") return nullptr;
  int64_t integer = 0;
  if (auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), integer);
      error == std::errc() && end == text.data() + text.size()) {
    return integer;
  }
  double number = 0;
  const bool is_number = text.find_first_not_of("0123456789+-.eE") == std::string::npos &&
                         absl::SimpleAtod(text, &number);
  if (is_infinity_or_nan(text) || (is_number && !std::isfinite(number))) {
    throw StatusError(place.refuse(
        node.Mark(), absl::StrCat(place.field.empty() ? "the value" : place.field, " is ", text,
                                  "; a number must be finite, and a text like it be quoted")));
  }
  if (is_number) return number;
  return text;
}

Json convert(const YAML::Node& node, const Place& place) {
  if (node.IsSequence()) {
    Json array = Json::array();
    for (const auto& element : node) {
      array.push_back(convert(element, place.below(absl::StrCat(array.size()))));
    }
    return array;
  }
  if (node.IsMap()) {
    Json object = Json::object();
    for (const auto& pair : node) {
      const auto key = pair.first.as<std::string>();
      if (object.contains(key)) {
        throw StatusError(
            place.refuse(pair.first.Mark(), absl::StrCat("\"", key, "\" stands here twice")));
      }
      object[key] = convert(pair.second, place.below(key));
    }
    return object;
  }
  return node.IsScalar() ? scalar(node, place) : Json();
}

}  // namespace

absl::StatusOr<Json> yaml_to_json(const std::string& yaml, const std::string& origin,
                                  const std::string& field) {
  try {
    return convert(YAML::Load(yaml), Place{origin, field});
  } catch (const YAML::Exception& error) {
    return usage_error(
        absl::StrCat(origin, ":", error.mark.line + 1, ": not valid YAML: ", error.msg));
  } catch (const StatusError& error) {
    return error.status();
  }
}

}  // namespace espalier::cli
