#include "server/serving/rest/message_json.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "absl/strings/str_cat.h"

namespace espalier::server {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using Json = nlohmann::json;

// One value of a field: entry `index` of a repeated one, -1 for a single one.
Json field_value(const Message& message, const FieldDescriptor* field, int index) {
  const auto* reflection = message.GetReflection();
  const auto get = [&](auto single, auto repeated) {
    return index < 0 ? Json((reflection->*single)(message, field))
                     : Json((reflection->*repeated)(message, field, index));
  };
  using R = google::protobuf::Reflection;
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return get(&R::GetBool, &R::GetRepeatedBool);
    case FieldDescriptor::CPPTYPE_INT32:
      return get(&R::GetInt32, &R::GetRepeatedInt32);
    case FieldDescriptor::CPPTYPE_INT64:
      return get(&R::GetInt64, &R::GetRepeatedInt64);
    case FieldDescriptor::CPPTYPE_UINT32:
      return get(&R::GetUInt32, &R::GetRepeatedUInt32);
    case FieldDescriptor::CPPTYPE_UINT64:
      return get(&R::GetUInt64, &R::GetRepeatedUInt64);
    case FieldDescriptor::CPPTYPE_FLOAT:
      return get(&R::GetFloat, &R::GetRepeatedFloat);
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return get(&R::GetDouble, &R::GetRepeatedDouble);
    case FieldDescriptor::CPPTYPE_STRING:
      return get(&R::GetString, &R::GetRepeatedString);
    case FieldDescriptor::CPPTYPE_ENUM:
      return index < 0 ? reflection->GetEnum(message, field)->name()
                       : reflection->GetRepeatedEnum(message, field, index)->name();
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return message_json(index < 0 ? reflection->GetMessage(message, field)
                                    : reflection->GetRepeatedMessage(message, field, index));
  }
  return nullptr;
}

Json map_json(const Message& message, const FieldDescriptor* field) {
  const auto* reflection = message.GetReflection();
  Json result = Json::object();
  for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
    const Message& entry = reflection->GetRepeatedMessage(message, field, i);
    const Json key = field_value(entry, entry.GetDescriptor()->map_key(), -1);
    result[key.is_string() ? key.get<std::string>() : key.dump()] =
        field_value(entry, entry.GetDescriptor()->map_value(), -1);
  }
  return result;
}

}  // namespace

Json message_json(const Message& message) {
  const auto* descriptor = message.GetDescriptor();
  const auto* reflection = message.GetReflection();
  Json result = Json::object();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const FieldDescriptor* field = descriptor->field(i);
    if (field->has_presence() && !reflection->HasField(message, field)) continue;
    Json& value = result[field->name()];
    if (field->is_map()) {
      value = map_json(message, field);
    } else if (field->is_repeated()) {
      value = Json::array();
      for (int k = 0; k < reflection->FieldSize(message, field); ++k) {
        value.push_back(field_value(message, field, k));
      }
    } else {
      value = field_value(message, field, -1);
    }
  }
  return result;
}

Json parameters_json(
    const google::protobuf::Map<std::string, inference::InferParameter>& parameters) {
  Json result = Json::object();
  for (const auto& [name, parameter] : parameters) {
    const Json value = message_json(parameter);  // of one field: the choice that is set
    result[name] = value.empty() ? Json() : value.front();
  }
  return result;
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<Json> parse_object(std::string_view text) {
  if (text.empty()) return absl::InvalidArgumentError("the body is empty; send a JSON object");
  Json json;
  try {
    json = Json::parse(text);
  } catch (const Json::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
    const std::string_view what = error.what();
    return absl::InvalidArgumentError(
        absl::StrCat("the body is no JSON: ", std::string(what.substr(what.find("] ") + 2, 300))));
  }
  if (!json.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the body is JSON, but ", json.type_name(), " instead of an object"));
  }
  return json;
}

}  // namespace espalier::server
