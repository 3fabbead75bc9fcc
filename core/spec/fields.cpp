#include "core/spec/fields.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace espalier {

bool Range::holds(double x) const {
  return (low_open ? x > low : x >= low) && (high_open ? x < high : x <= high);
}

std::string Range::text() const {
  std::string out = absl::StrCat(low_open ? "above " : "at least ", low);
  if (std::isfinite(high))
    absl::StrAppend(&out, " and ", high_open ? "less than " : "at most ", high);
  return out;
}

std::string shown(const Json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  return text.size() <= 80 ? text : text.substr(0, 77) + "...";
}

Fields::Fields(const Json& object, std::string where) : object_(object), where_(std::move(where)) {
  if (!object.is_object()) {
    fail(absl::StrCat(where_.empty() ? "this" : where_,
                      " must be an object of names and values, found ", shown(object)));
  }
}

const Json* Fields::find(const std::string& name) const {
  if (!object_.is_object()) return nullptr;
  auto it = object_.find(name);
  return it == object_.end() || it->is_null() ? nullptr : &*it;
}

const Json& Fields::child(const std::string& name) const {
  static const Json kNothing = Json::object();
  const Json* found = find(name);
  return found != nullptr ? *found : kNothing;
}

std::string Fields::path(const std::string& name) const {
  return where_.empty() ? name : absl::StrCat(where_, ".", name);
}

void Fields::number(const std::string& name, double& out, Range range) {
  const Json* value = find(name);
  if (value == nullptr) return;
  if (!value->is_number())
    return fail(absl::StrCat(path(name), " must be a number, found ", shown(*value)));
  double x = value->get<double>();
  if (!range.holds(x))
    return fail(absl::StrCat(path(name), " is ", x, "; it must be ", range.text()));
  out = x;
}

std::optional<int64_t> Fields::whole(const std::string& name, int64_t low, int64_t high) {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  // Beyond 2^53 a double no longer tells neighbours apart; nothing here is that large.
  bool is_whole = value->is_number() && std::abs(value->get<double>()) < 9e15 &&
                  std::nearbyint(value->get<double>()) == value->get<double>();
  if (!is_whole) {
    fail(absl::StrCat(path(name), " must be an integer, found ", shown(*value)));
    return std::nullopt;
  }
  auto x = static_cast<int64_t>(value->get<double>());
  if (x < low || x > high) {
    fail(absl::StrCat(path(name), " is ", x, "; it must be between ", low, " and ", high));
    return std::nullopt;
  }
  return x;
}

void Fields::boolean(const std::string& name, bool& out) {
  const Json* value = find(name);
  if (value == nullptr) return;
  if (!value->is_boolean()) {
    return fail(absl::StrCat(path(name), " must be true or false, found ", shown(*value)));
  }
  out = value->get<bool>();
}

void Fields::string(const std::string& name, std::string& out) {
  const Json* value = find(name);
  if (value == nullptr) return;
  if (!value->is_string())
    return fail(absl::StrCat(path(name), " must be a string, found ", shown(*value)));
  out = value->get<std::string>();
}

void Fields::strings(const std::string& name, std::vector<std::string>& out) {
  const Json* value = find(name);
  if (value == nullptr) return;
  bool fits = value->is_array() && std::all_of(value->begin(), value->end(),
                                               [](const Json& x) { return x.is_string(); });
  if (!fits)
    return fail(absl::StrCat(path(name), " must be a list of strings, found ", shown(*value)));
  out = value->get<std::vector<std::string>>();
}

void Fields::numbers(const std::string& name, std::vector<double>& out, Range range) {
  const Json* value = find(name);
  if (value == nullptr) return;
  const bool fits =
      value->is_array() && std::all_of(value->begin(), value->end(), [&](const Json& x) {
        return x.is_number() && range.holds(x.get<double>());
      });
  if (!fits)
    return fail(absl::StrCat(path(name), " must be a list of numbers, each ", range.text(),
                             ", found ", shown(*value)));
  out = value->get<std::vector<double>>();
}

void Fields::require(std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (!has(name)) fail(absl::StrCat(path(name), " is missing"));
  }
}

void Fields::refuse_unknown(std::initializer_list<const char*> names) {
  if (!object_.is_object()) return;
  for (const auto& [name, value] : object_.items()) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    return fail(
        absl::StrCat("unknown field ", path(name), "; known: ", absl::StrJoin(names, ", ")));
  }
}

void Fields::fail(std::string message) {
  if (status_.ok()) status_ = absl::InvalidArgumentError(message);
}

void Fields::check(const absl::Status& status) {
  if (status_.ok()) status_ = status;
}

}  // namespace espalier
