#include "server/serving/rest/json_tensors.h"

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status_macros.h"

namespace espalier::server {

static_assert(std::endian::native == std::endian::little, "raw tensors are little-endian");

namespace {

using Json = nlohmann::json;

constexpr size_t kMaxRank = 8;
constexpr int64_t kMaxJsonElements = int64_t{1} << 32;  // more than any body holds

// What was found instead, short enough for a message.
std::string shown(const Json& value) {
  if (value.is_array() || value.is_object()) return value.is_array() ? "an array" : "an object";
  std::string text = value.dump(-1, ' ', true);
  return text.size() <= 40 ? text : absl::StrCat(text.substr(0, 40), "...");
}

template <class T>
bool append_raw(T value, std::string& raw) {
  raw.append(reinterpret_cast<const char*>(&value), sizeof(value));
  return true;
}

template <class T>
bool append_integer(const Json& value, std::string& raw) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<uint64_t>();
    return std::in_range<T>(number) && append_raw(static_cast<T>(number), raw);
  }
  if (!value.is_number_integer()) return false;
  const auto number = value.get<int64_t>();
  return std::in_range<T>(number) && append_raw(static_cast<T>(number), raw);
}

template <class T>
bool append_real(const Json& value, std::string& raw) {
  if (!value.is_number()) return false;
  const auto number = value.get<double>();
  return std::abs(number) <= std::numeric_limits<T>::max() &&
         append_raw(static_cast<T>(number), raw);
}

bool append_bool(const Json& value, std::string& raw) {
  return value.is_boolean() && append_raw(value.get<bool>(), raw);
}

bool append_text(const Json& value, std::string& raw) {
  if (!value.is_string()) return false;
  const auto& text = value.get_ref<const std::string&>();
  append_raw(static_cast<uint32_t>(text.size()), raw);
  raw.append(text);
  return true;
}

template <class T>
void write_number(const char* element, std::string& json) {
  T value;
  std::memcpy(&value, element, sizeof(value));
  if constexpr (std::is_floating_point_v<T>) {
    if (!std::isfinite(value)) {
      json.append("null");
      return;
    }
    // As "-0" it would be an integer, and lose its sign.
    if (value == 0 && std::signbit(value)) {
      json.append("-0.0");
      return;
    }
  }
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  json.append(digits.data(), end);
}

void write_bool(const char* element, std::string& json) {
  json.append(*element != 0 ? "true" : "false");
}

struct Datatype {
  const char* name;
  const char* takes;  // in JSON, for messages
  size_t size;        // of a raw element; 0: BYTES, where it varies
  bool (*read)(const Json&, std::string& raw);
  void (*write)(const char* element, std::string& json);
};

template <class T>
constexpr Datatype integer(const char* name) {
  return {name, "integers within its range", sizeof(T), append_integer<T>, write_number<T>};
}

template <class T>
constexpr Datatype real(const char* name) {
  return {name, "numbers within its range", sizeof(T), append_real<T>, write_number<T>};
}

constexpr std::array kDatatypes = {
    Datatype{"BOOL", "true and false", 1, append_bool, write_bool},
    integer<uint8_t>("UINT8"),
    integer<uint16_t>("UINT16"),
    integer<uint32_t>("UINT32"),
    integer<uint64_t>("UINT64"),
    integer<int8_t>("INT8"),
    integer<int16_t>("INT16"),
    integer<int32_t>("INT32"),
    integer<int64_t>("INT64"),
    real<float>("FP32"),
    real<double>("FP64"),
    Datatype{"BYTES", "strings", 0, append_text, nullptr},
};

absl::StatusOr<const Datatype*> datatype_of(const std::string& name) {
  for (const Datatype& type : kDatatypes) {
    if (name == type.name) return &type;
  }
  if (name == "FP16" || name == "BF16") {
    return absl::InvalidArgumentError(
        absl::StrCat("is ", name, ", which JSON cannot carry; use binary data"));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "has the unknown datatype \"", name, "\"; known: ",
      absl::StrJoin(kDatatypes, ", ",
                    [](std::string* out, const Datatype& type) { out->append(type.name); }),
      ", FP16, BF16"));
}

absl::StatusOr<int64_t> count_of(std::span<const int64_t> shape) {
  if (shape.size() > kMaxRank) {
    return absl::InvalidArgumentError(
        absl::StrCat("has a shape of ", shape.size(), " sizes; at most ", kMaxRank, " are taken"));
  }
  int64_t count = 1;
  for (int64_t size : shape) {
    if (size < 0 || (size > 0 && count > kMaxJsonElements / size)) {
      return absl::InvalidArgumentError(
          absl::StrCat("has the impossible shape [", absl::StrJoin(shape, ","), "]"));
    }
    count *= size;
  }
  return count;
}

class DataReader {
 public:
  DataReader(const Datatype& type, std::span<const int64_t> shape) : type_(type), shape_(shape) {}

  absl::Status flat(const Json& data, int64_t count) {
    if (static_cast<int64_t>(data.size()) != count) return wrong_size(data.size(), count);
    for (const Json& value : data) ESPALIER_RETURN_IF_ERROR(element(value));
    return absl::OkStatus();
  }

  // `depth` is below kMaxRank, so that no body can exhaust the stack.
  absl::Status nested(const Json& data, size_t depth) {
    if (!data.is_array()) {
      return absl::InvalidArgumentError(absl::StrCat("holds ", shown(data), " where its shape ",
                                                     shape_text(),
                                                     " has an array; nest all of it, or nothing"));
    }
    if (static_cast<int64_t>(data.size()) != shape_[depth]) {
      return wrong_size(data.size(), shape_[depth]);
    }
    for (const Json& value : data) {
      ESPALIER_RETURN_IF_ERROR(depth + 1 == shape_.size() ? element(value)
                                                          : nested(value, depth + 1));
    }
    return absl::OkStatus();
  }

  std::string take() { return std::move(raw_); }

 private:
  absl::Status element(const Json& value) {
    if (type_.read(value, raw_)) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("holds ", shown(value), "; ", type_.name, " takes ", type_.takes));
  }
  absl::Status wrong_size(size_t found, int64_t expected) const {
    return absl::InvalidArgumentError(absl::StrCat("has an array of ", found, " where its shape ",
                                                   shape_text(), " takes ", expected));
  }
  std::string shape_text() const { return absl::StrCat("[", absl::StrJoin(shape_, ","), "]"); }

  const Datatype& type_;
  const std::span<const int64_t> shape_;
  std::string raw_;
};

absl::Status append_texts(std::string_view raw, std::string& json) {
  for (bool first = true; !raw.empty(); first = false) {
    uint32_t size = 0;
    if (raw.size() >= sizeof(size)) std::memcpy(&size, raw.data(), sizeof(size));
    if (raw.size() < sizeof(size) || raw.size() - sizeof(size) < size) {
      return absl::InternalError("ends within an element");
    }
    const std::string text(raw.substr(sizeof(size), size));
    raw.remove_prefix(sizeof(size) + size);
    if (!first) json.push_back(',');
    try {
      json.append(Json(text).dump());
    } catch (const Json::exception&) {
      return absl::InvalidArgumentError(
          "holds bytes that are no UTF-8, which JSON cannot carry; ask for it with binary_data");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> raw_from_json(const std::string& datatype,
                                          std::span<const int64_t> shape, const Json& data) {
  ESPALIER_ASSIGN_OR_RETURN(const Datatype* type, datatype_of(datatype));
  ESPALIER_ASSIGN_OR_RETURN(const int64_t count, count_of(shape));
  if (!data.is_array()) {
    return absl::InvalidArgumentError(
        absl::StrCat("has ", shown(data), " as data, which must be an array"));
  }
  DataReader reader(*type, shape);
  const bool is_nested = shape.size() > 1 && !data.empty() && data.front().is_array();
  ESPALIER_RETURN_IF_ERROR(is_nested ? reader.nested(data, 0) : reader.flat(data, count));
  return reader.take();
}

absl::Status append_json(const std::string& datatype, std::string_view raw, std::string& json) {
  ESPALIER_ASSIGN_OR_RETURN(const Datatype* type, datatype_of(datatype));
  json.push_back('[');
  if (type->size == 0) {
    ESPALIER_RETURN_IF_ERROR(append_texts(raw, json));
  } else {
    for (size_t at = 0; at + type->size <= raw.size(); at += type->size) {
      if (at > 0) json.push_back(',');
      type->write(raw.data() + at, json);
    }
  }
  json.push_back(']');
  return absl::OkStatus();
}

}  // namespace espalier::server
