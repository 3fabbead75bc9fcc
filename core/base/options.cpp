#include "core/base/options.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace espalier {
namespace {

Json describe(const char* name, const char* type, Json fallback, const char* sentence) {
  return {
      {"name", name}, {"type", type}, {"default", std::move(fallback)}, {"description", sentence}};
}

}  // namespace

OptionReader::OptionReader(std::string owner, Json values)
    : owner_(std::move(owner)), values_(std::move(values)) {
  if (!values_.is_null() && !values_.is_object())
    fail("options must be an object of names and values");
}

void OptionReader::fail(std::string message) {
  if (!error_) error_ = absl::StrCat(owner_, ": ", message);
}

const Json* OptionReader::find(const char* name) {
  if (!values_.is_object()) return nullptr;
  auto it = values_.find(name);
  return it == values_.end() ? nullptr : &*it;
}

void OptionReader::number(const char* name, double& field, double minimum, double maximum,
                          const char* sentence) {
  Json entry = describe(name, "number", field, sentence);
  if (std::isfinite(minimum)) entry["minimum"] = minimum;
  if (std::isfinite(maximum)) entry["maximum"] = maximum;
  schema_.push_back(std::move(entry));
  if (const Json* value = find(name)) {
    if (!value->is_number()) {
      fail(absl::StrCat("option '", name, "' must be a number, found ", value->dump()));
    } else if (double x = value->get<double>(); !(x >= minimum && x <= maximum)) {
      fail(absl::StrCat("option '", name, "' is ", x, "; it must be between ", minimum, " and ",
                        maximum));
    } else {
      field = x;
    }
  }
  resolved_[name] = field;
}

void OptionReader::integer(const char* name, int64_t& field, int64_t minimum, int64_t maximum,
                           const char* sentence) {
  Json entry = describe(name, "integer", field, sentence);
  entry["minimum"] = minimum;
  if (maximum != std::numeric_limits<int64_t>::max()) entry["maximum"] = maximum;
  schema_.push_back(std::move(entry));
  if (const Json* value = find(name)) {
    // Numbers of a protobuf Struct are doubles: 3.0 is an integer here, 3.5 is not.
    bool whole = value->is_number() &&
                 std::nearbyint(value->get<double>()) == value->get<double>() &&
                 std::abs(value->get<double>()) < 9e15;
    if (!whole) {
      fail(absl::StrCat("option '", name, "' must be an integer, found ", value->dump()));
    } else if (auto x = static_cast<int64_t>(value->get<double>()); x < minimum || x > maximum) {
      fail(absl::StrCat("option '", name, "' is ", x, "; it must be between ", minimum, " and ",
                        maximum));
    } else {
      field = x;
    }
  }
  resolved_[name] = field;
}

void OptionReader::boolean(const char* name, bool& field, const char* sentence) {
  schema_.push_back(describe(name, "boolean", field, sentence));
  if (const Json* value = find(name)) {
    if (value->is_boolean()) {
      field = value->get<bool>();
    } else {
      fail(absl::StrCat("option '", name, "' must be true or false, found ", value->dump()));
    }
  }
  resolved_[name] = field;
}

void OptionReader::string(const char* name, std::string& field, std::vector<std::string> choices,
                          const char* sentence) {
  Json entry = describe(name, "string", field, sentence);
  if (!choices.empty()) entry["choices"] = choices;
  schema_.push_back(std::move(entry));
  if (const Json* value = find(name)) {
    if (!value->is_string()) {
      fail(absl::StrCat("option '", name, "' must be a string, found ", value->dump()));
    } else {
      auto x = value->get<std::string>();
      bool known = choices.empty();
      for (const auto& choice : choices) known = known || choice == x;
      if (known) {
        field = x;
      } else {
        fail(absl::StrCat("option '", name, "' is '", x,
                          "'; known: ", absl::StrJoin(choices, ", ")));
      }
    }
  }
  resolved_[name] = field;
}

absl::Status OptionReader::finish() const {
  if (error_) return absl::InvalidArgumentError(*error_);
  if (values_.is_object()) {
    for (const auto& [name, value] : values_.items()) {
      if (resolved_.contains(name)) continue;
      std::vector<std::string> known;
      for (const auto& entry : schema_) known.push_back(entry["name"].get<std::string>());
      return absl::InvalidArgumentError(absl::StrCat(
          owner_, ": option '", name, "' is unknown; ",
          known.empty() ? "it has no options" : "known: " + absl::StrJoin(known, ", ")));
    }
  }
  return absl::OkStatus();
}

}  // namespace espalier
