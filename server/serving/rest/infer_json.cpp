#include "server/serving/rest/infer_json.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/serving/rest/json_tensors.h"
#include "server/serving/rest/message_json.h"

namespace espalier::server {
namespace {

using Json = nlohmann::json;
using Parameters = google::protobuf::Map<std::string, inference::InferParameter>;

absl::Status refused(const std::string& what, const absl::Status& why) {
  return absl::Status(why.code(), absl::StrCat(what, " ", std::string(why.message())));
}

absl::Status invalid(const std::string& what, const std::string& why) {
  return refused(what, absl::InvalidArgumentError(why));
}

absl::StatusOr<inference::InferParameter> parameter_of(const std::string& name, const Json& value) {
  inference::InferParameter result;
  if (value.is_boolean()) {
    result.set_bool_param(value.get<bool>());
  } else if (value.is_number_unsigned() &&
             value.get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()}) {
    result.set_uint64_param(value.get<uint64_t>());
  } else if (value.is_number_integer()) {
    result.set_int64_param(value.get<int64_t>());
  } else if (value.is_number()) {
    result.set_double_param(value.get<double>());
  } else if (value.is_string()) {
    result.set_string_param(value.get<std::string>());
  } else {
    return invalid(
        absl::StrCat("parameter \"", name, "\""),
        absl::StrCat("is ", value.type_name(), "; it takes a boolean, a number or a string"));
  }
  return result;
}

// The "parameters" of `owner`, if it has any, into `parameters`.
absl::Status read_parameters(const Json& owner, Parameters& parameters) {
  const auto found = owner.find("parameters");
  if (found == owner.end()) return absl::OkStatus();
  if (!found->is_object()) return invalid("\"parameters\"", "must be an object");
  for (const auto& [name, value] : found->items()) {
    ESPALIER_ASSIGN_OR_RETURN(parameters[name], parameter_of(name, value));
  }
  return absl::OkStatus();
}

// Takes a parameter of the body's form out of the others.
absl::StatusOr<std::optional<bool>> take_bool(Parameters& parameters, const std::string& name) {
  const auto found = parameters.find(name);
  if (found == parameters.end()) return std::optional<bool>();
  if (!found->second.has_bool_param()) {
    return invalid(absl::StrCat("parameter \"", name, "\""), "must be true or false");
  }
  const bool value = found->second.bool_param();
  parameters.erase(found);
  return std::optional<bool>(value);
}

absl::StatusOr<std::optional<size_t>> take_size(Parameters& parameters, const std::string& name) {
  const auto found = parameters.find(name);
  if (found == parameters.end()) return std::optional<size_t>();
  if (!found->second.has_int64_param() || found->second.int64_param() < 0) {
    return invalid(absl::StrCat("parameter \"", name, "\""), "must be a number of bytes");
  }
  const auto value = static_cast<size_t>(found->second.int64_param());
  parameters.erase(found);
  return std::optional<size_t>(value);
}

absl::StatusOr<std::string> text_of(const Json& owner, const char* key) {
  const auto found = owner.find(key);
  if (found == owner.end() || !found->is_string()) {
    return absl::InvalidArgumentError(absl::StrCat("\"", key, "\" is missing or no string"));
  }
  return found->get<std::string>();
}

absl::StatusOr<std::vector<int64_t>> shape_of(const Json& input) {
  const auto found = input.find("shape");
  if (found == input.end() || !found->is_array()) {
    return absl::InvalidArgumentError("has no \"shape\", an array of integers");
  }
  std::vector<int64_t> shape;
  for (const Json& size : *found) {
    const bool fits = size.is_number_integer() &&
                      !(size.is_number_unsigned() &&
                        size.get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()});
    if (!fits) return absl::InvalidArgumentError("has a \"shape\" that holds no integers");
    shape.push_back(size.get<int64_t>());
  }
  return shape;
}

// What the input's elements are, raw; binary ones are taken off the front of `binary`.
absl::StatusOr<std::string> contents_of(const Json& json, std::string_view& binary,
                                        inference::ModelInferRequest::InferInputTensor& input) {
  const auto data = json.find("data");
  ESPALIER_ASSIGN_OR_RETURN(const std::optional<size_t> size,
                            take_size(*input.mutable_parameters(), "binary_data_size"));
  if (size.has_value() && data != json.end()) {
    return absl::InvalidArgumentError("has both \"data\" and \"binary_data_size\"; send one");
  }
  if (size.has_value()) {
    if (*size > binary.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("announces ", *size, " bytes of binary data and ", binary.size(),
                       " are left of the body; Inference-Header-Content-Length says how much of "
                       "it is JSON"));
    }
    std::string raw(binary.substr(0, *size));
    binary.remove_prefix(*size);
    return raw;
  }
  if (data != json.end()) {
    const std::vector<int64_t> shape(input.shape().begin(), input.shape().end());
    return raw_from_json(input.datatype(), shape, *data);
  }
  if (input.parameters().contains("shared_memory_region")) return std::string();
  return absl::InvalidArgumentError(
      "has no elements; send \"data\", or binary data and their \"binary_data_size\"");
}

absl::Status read_input(const Json& json, int index, std::string_view& binary,
                        inference::ModelInferRequest& request) {
  const std::string place = absl::StrCat("inputs[", index, "]");
  if (!json.is_object()) return invalid(place, "must be an object");
  auto& input = *request.add_inputs();
  const auto name = text_of(json, "name");
  if (!name.ok()) return refused(absl::StrCat(place, ":"), name.status());
  input.set_name(*name);
  const std::string what = absl::StrCat("input \"", *name, "\"");
  const auto datatype = text_of(json, "datatype");
  if (!datatype.ok()) return refused(absl::StrCat(what, ":"), datatype.status());
  input.set_datatype(*datatype);
  const auto shape = shape_of(json);
  if (!shape.ok()) return refused(what, shape.status());
  input.mutable_shape()->Add(shape->begin(), shape->end());
  const absl::Status parameters = read_parameters(json, *input.mutable_parameters());
  if (!parameters.ok()) return refused(absl::StrCat(what, ":"), parameters);
  auto raw = contents_of(json, binary, input);
  if (!raw.ok()) return refused(what, raw.status());
  request.add_raw_input_contents(*std::move(raw));
  return absl::OkStatus();
}

absl::Status read_output(const Json& json, int index, InferBody& body) {
  const std::string place = absl::StrCat("outputs[", index, "]");
  if (!json.is_object()) return invalid(place, "must be an object");
  auto& output = *body.request.add_outputs();
  const auto name = text_of(json, "name");
  if (!name.ok()) return refused(absl::StrCat(place, ":"), name.status());
  output.set_name(*name);
  ESPALIER_RETURN_IF_ERROR(read_parameters(json, *output.mutable_parameters()));
  ESPALIER_ASSIGN_OR_RETURN(const auto binary,
                            take_bool(*output.mutable_parameters(), "binary_data"));
  if (binary.has_value()) body.forms.binary_of[*name] = *binary;
  return absl::OkStatus();
}

// Calls `read(entry, index)` for each entry of the array `key`; a missing one is empty.
template <class F>
absl::Status for_each(const Json& json, const char* key, const F& read) {
  const auto found = json.find(key);
  if (found == json.end()) return absl::OkStatus();
  if (!found->is_array()) return invalid(absl::StrCat("\"", key, "\""), "must be an array");
  int index = 0;
  for (const Json& entry : *found) ESPALIER_RETURN_IF_ERROR(read(entry, index++));
  return absl::OkStatus();
}

absl::StatusOr<std::string_view> json_part(std::string_view body, std::optional<size_t> json_size) {
  if (json_size.has_value() && *json_size > body.size()) {
    return invalid("Inference-Header-Content-Length",
                   absl::StrCat("is ", *json_size, "; the body has ", body.size(), " bytes"));
  }
  const std::string_view text = body.substr(0, json_size.value_or(body.size()));
  if (text.size() <= kMaxJsonBytes) return text;
  return invalid("the JSON", absl::StrCat("has ", text.size(), " bytes; at most ", kMaxJsonBytes,
                                          " are taken, and more of a tensor goes as binary data"));
}

}  // namespace

bool OutputForms::is_binary(const std::string& output) const {
  const auto found = binary_of.find(output);
  return found == binary_of.end() ? binary : found->second;
}

absl::StatusOr<InferBody> parse_infer_body(std::string_view body, std::optional<size_t> json_size) {
  ESPALIER_ASSIGN_OR_RETURN(const std::string_view text, json_part(body, json_size));
  ESPALIER_ASSIGN_OR_RETURN(const Json json, parse_object(text));
  InferBody result;
  inference::ModelInferRequest& request = result.request;
  if (json.contains("id")) {
    ESPALIER_ASSIGN_OR_RETURN(*request.mutable_id(), text_of(json, "id"));
  }
  ESPALIER_RETURN_IF_ERROR(read_parameters(json, *request.mutable_parameters()));
  ESPALIER_ASSIGN_OR_RETURN(const auto binary,
                            take_bool(*request.mutable_parameters(), "binary_data_output"));
  result.forms.binary = binary.value_or(false);
  std::string_view rest = body.substr(text.size());
  ESPALIER_RETURN_IF_ERROR(for_each(json, "inputs", [&](const Json& entry, int index) {
    return read_input(entry, index, rest, request);
  }));
  ESPALIER_RETURN_IF_ERROR(for_each(json, "outputs", [&](const Json& entry, int index) {
    return read_output(entry, index, result);
  }));
  if (!rest.empty()) {
    return invalid("the body",
                   absl::StrCat("ends with ", rest.size(),
                                " bytes that belong to no input; each "
                                "one's \"binary_data_size\" says how many are its own"));
  }
  return result;
}

absl::StatusOr<InferBody> parse_plain_body(std::string_view body,
                                           const inference::ModelMetadataResponse& metadata) {
  if (metadata.inputs().empty() || metadata.inputs(0).datatype() != "BYTES") {
    return absl::InvalidArgumentError(
        "a body without JSON (Inference-Header-Content-Length: 0) is for models whose first input "
        "is BYTES; send JSON");
  }
  InferBody result;
  result.forms.binary = true;
  auto& input = *result.request.add_inputs();
  input.set_name(metadata.inputs(0).name());
  input.set_datatype("BYTES");
  input.add_shape(1);
  const auto size = static_cast<uint32_t>(body.size());
  std::string& raw = *result.request.add_raw_input_contents();
  raw.append(reinterpret_cast<const char*>(&size), sizeof(size)).append(body);
  return result;
}

absl::StatusOr<WrittenBody> write_infer_body(const inference::ModelInferResponse& response,
                                             const OutputForms& forms) {
  if (response.raw_output_contents_size() != response.outputs_size()) {
    return absl::InternalError("the answer has outputs without raw contents");
  }
  // Elements are written by hand: as values of their own they would cost ten times as much.
  Json head = {{"model_name", response.model_name()}, {"model_version", response.model_version()}};
  if (!response.id().empty()) head["id"] = response.id();
  if (!response.parameters().empty()) head["parameters"] = parameters_json(response.parameters());
  WrittenBody body;
  body.text = dump(head);
  body.text.pop_back();  // goes on
  body.text += ",\"outputs\":[";
  bool any_binary = false;
  for (int i = 0; i < response.outputs_size(); ++i) {
    const auto& output = response.outputs(i);
    const std::string& raw = response.raw_output_contents(i);
    const bool binary = forms.is_binary(output.name());
    Json tensor = {{"name", output.name()}, {"datatype", output.datatype()}};
    tensor["shape"] = std::vector<int64_t>(output.shape().begin(), output.shape().end());
    if (!output.parameters().empty()) tensor["parameters"] = parameters_json(output.parameters());
    if (binary) tensor["parameters"]["binary_data_size"] = raw.size();
    if (i > 0) body.text.push_back(',');
    body.text += dump(tensor);
    if (!binary) {
      body.text.back() = ',';
      body.text += "\"data\":";
      const absl::Status written = append_json(output.datatype(), raw, body.text);
      if (!written.ok()) return refused(absl::StrCat("output \"", output.name(), "\""), written);
      body.text.push_back('}');
    }
    any_binary = any_binary || binary;
  }
  body.text += "]}";
  if (!any_binary) return body;
  body.json_size = body.text.size();
  for (int i = 0; i < response.outputs_size(); ++i) {
    if (forms.is_binary(response.outputs(i).name())) body.text += response.raw_output_contents(i);
  }
  return body;
}

}  // namespace espalier::server
