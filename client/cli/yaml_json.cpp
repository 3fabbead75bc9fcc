#include "client/cli/yaml_json.h"

#include <yaml-cpp/yaml.h>

#include <charconv>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "client/cli/exit_code.h"
#include "core/base/guard.h"

namespace espalier::cli {
namespace {

Json scalar(const YAML::Node& node) {
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
  if (text.find_first_not_of("0123456789+-.eE") == std::string::npos &&
      absl::SimpleAtod(text, &number)) {
    return number;
  }
  return text;
}

Json convert(const YAML::Node& node, const std::string& origin) {
  if (node.IsSequence()) {
    Json array = Json::array();
    for (const auto& element : node) array.push_back(convert(element, origin));
    return array;
  }
  if (node.IsMap()) {
    Json object = Json::object();
    for (const auto& pair : node) {
      const auto key = pair.first.as<std::string>();
      if (object.contains(key)) {
        throw StatusError(usage_error(absl::StrCat(origin, ":", pair.first.Mark().line + 1, ": \"",
                                                   key, "\" stands here twice")));
      }
      object[key] = convert(pair.second, origin);
    }
    return object;
  }
  return node.IsScalar() ? scalar(node) : Json();
}

}  // namespace

absl::StatusOr<Json> yaml_to_json(const std::string& yaml, const std::string& origin) {
  try {
    return convert(YAML::Load(yaml), origin);
  } catch (const YAML::Exception& error) {
    return usage_error(
        absl::StrCat(origin, ":", error.mark.line + 1, ": not valid YAML: ", error.msg));
  } catch (const StatusError& error) {
    return error.status();
  }
}

}  // namespace espalier::cli
