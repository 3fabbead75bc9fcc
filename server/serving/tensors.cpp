#include "server/serving/tensors.h"

#include <array>
#include <bit>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/common/status.h"

namespace espalier::server {

static_assert(std::endian::native == std::endian::little, "the wire is little-endian");

namespace {

constexpr std::array kOutputs = {
    TensorSpec{.name = "logits", .datatype = "FP32", .type = inference::TYPE_FP32, .wide = true},
    TensorSpec{
        .name = "probabilities", .datatype = "FP32", .type = inference::TYPE_FP32, .wide = true},
    TensorSpec{.name = "label", .datatype = "BYTES", .type = inference::TYPE_STRING},
    TensorSpec{.name = "exit_layer", .datatype = "INT32", .type = inference::TYPE_INT32},
    TensorSpec{.name = "confidence", .datatype = "FP32", .type = inference::TYPE_FP32},
    TensorSpec{.name = "answer", .datatype = "BYTES", .type = inference::TYPE_STRING},
};
constexpr std::array kUsual = {Output::kLogits,    Output::kProbabilities, Output::kLabel,
                               Output::kExitLayer, Output::kConfidence,    Output::kAnswer};
constexpr std::array kOfValues = {Output::kLogits, Output::kLabel, Output::kExitLayer,
                                  Output::kAnswer};

// A request carries the first two or the last three.
constexpr std::array kInputs = {
    TensorSpec{
        .name = "text", .datatype = "BYTES", .type = inference::TYPE_STRING, .optional = true},
    TensorSpec{
        .name = "text_pair", .datatype = "BYTES", .type = inference::TYPE_STRING, .optional = true},
    TensorSpec{.name = "input_ids",
               .datatype = "INT64",
               .type = inference::TYPE_INT64,
               .optional = true,
               .wide = true},
    TensorSpec{.name = "attention_mask",
               .datatype = "INT64",
               .type = inference::TYPE_INT64,
               .optional = true,
               .wide = true},
    TensorSpec{.name = "token_type_ids",
               .datatype = "INT64",
               .type = inference::TYPE_INT64,
               .optional = true,
               .wide = true},
};

// A request carries one of them.
constexpr std::array kImageInputs = {
    TensorSpec{
        .name = "image", .datatype = "BYTES", .type = inference::TYPE_STRING, .optional = true},
    TensorSpec{.name = "pixels",
               .datatype = "UINT8",
               .type = inference::TYPE_UINT8,
               .optional = true,
               .wide = true},
};

// More elements than any message within the receive limit can hold.
constexpr int64_t kMaxElements = int64_t{1} << 32;

template <class T>
std::string raw_of(std::span<const T> values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size_bytes());
}

template <class T>
absl::StatusOr<std::vector<int64_t>> read_raw_integers(const InputTensor& input, int64_t count) {
  const auto bytes = static_cast<size_t>(count) * sizeof(T);
  if (input.raw->size() != bytes) {
    return bad_input(
        input, absl::StrCat("has ", input.raw->size(), " raw bytes; ", input.tensor->datatype(),
                            " of shape ", shape_text(input.tensor->shape()), " takes ", bytes));
  }
  std::vector<T> values(static_cast<size_t>(count));
  std::memcpy(values.data(), input.raw->data(), bytes);
  return std::vector<int64_t>(values.begin(), values.end());
}

absl::Status wrong_count(const InputTensor& input, int64_t found, int64_t expected) {
  return bad_input(
      input, absl::StrCat("has ", found, " elements of ", input.tensor->datatype(), "; its shape ",
                          shape_text(input.tensor->shape()), " takes ", expected));
}

absl::StatusOr<std::vector<std::string_view>> read_raw_bytes(const InputTensor& input,
                                                             int64_t count) {
  std::vector<std::string_view> values;
  std::string_view rest = *input.raw;
  while (!rest.empty()) {
    uint32_t size = 0;
    if (rest.size() < sizeof(size)) {
      return bad_input(input, absl::StrCat("ends after ", rest.size(),
                                           " of the 4 length bytes of element ", values.size()));
    }
    std::memcpy(&size, rest.data(), sizeof(size));
    rest.remove_prefix(sizeof(size));
    if (rest.size() < size) {
      return bad_input(input, absl::StrCat("announces ", size, " bytes for element ", values.size(),
                                           " and holds ", rest.size()));
    }
    values.push_back(rest.substr(0, size));
    rest.remove_prefix(size);
  }
  if (static_cast<int64_t>(values.size()) != count) {
    return wrong_count(input, static_cast<int64_t>(values.size()), count);
  }
  return values;
}

}  // namespace

std::span<const TensorSpec> output_specs() { return kOutputs; }
std::span<const TensorSpec> input_specs(Reads reads) {
  if (reads == Reads::kImage) return kImageInputs;
  return kInputs;
}

std::span<const Output> usual_outputs(Objective objective) {
  if (objective == Objective::kValue) return kOfValues;
  // Words have as many logits as the vocabulary.
  if (objective == Objective::kWords) return std::span(kUsual).subspan(2);
  return std::span(kUsual).first(kUsual.size() - (objective == Objective::kClass ? 1 : 0));
}

std::optional<Output> output_by_name(std::string_view name) {
  for (size_t i = 0; i < kOutputs.size(); ++i) {
    if (name == kOutputs[i].name) return static_cast<Output>(i);
  }
  return std::nullopt;
}

absl::StatusOr<std::vector<InputTensor>> input_tensors(
    const inference::ModelInferRequest& request) {
  const bool raw = request.raw_input_contents_size() > 0;
  if (raw && request.raw_input_contents_size() != request.inputs_size()) {
    return with_reason(
        absl::InvalidArgumentError(absl::StrCat(
            "there are ", request.inputs_size(), " inputs and ", request.raw_input_contents_size(),
            " raw_input_contents; send one for each input, or none")),
        "BAD_INPUT", "raw_input_contents");
  }
  std::vector<InputTensor> inputs;
  for (int i = 0; i < request.inputs_size(); ++i) {
    InputTensor input{&request.inputs(i), raw ? &request.raw_input_contents(i) : nullptr, i};
    if (raw && input.tensor->contents().ByteSizeLong() > 0) {
      return bad_input(input, "has both contents and raw_input_contents; send one of them");
    }
    for (const auto& [key, value] : input.tensor->parameters()) {
      if (absl::StartsWith(key, "shared_memory")) {
        return absl::UnimplementedError(absl::StrCat("input \"", input.tensor->name(),
                                                     "\" lies in shared memory, which this server "
                                                     "does not offer; send its contents"));
      }
    }
    inputs.push_back(input);
  }
  return inputs;
}

std::vector<int64_t> sizes_of_input(const runtime::ModelInfo& info) {
  if (info.reads == Reads::kImage) return {info.channels, info.image_size, info.image_size};
  return {-1};
}

std::vector<int64_t> sizes_of_row(const runtime::ModelInfo& info) {
  const int classes = head_outputs(info.objective, static_cast<int>(info.label_names.size()));
  if (answers_tokens(info.objective)) return {-1, classes};
  if (info.objective == Objective::kWords) return {-1, info.vocabulary};
  return {classes};
}

absl::StatusOr<int64_t> element_count(const InputTensor& input) {
  int64_t count = 1;
  for (int64_t size : input.tensor->shape()) {
    if (size < 0 || (size > 0 && count > kMaxElements / size)) {
      return bad_input(
          input, absl::StrCat("has the impossible shape ", shape_text(input.tensor->shape())));
    }
    count *= size;
  }
  return count;
}

absl::StatusOr<std::vector<std::string_view>> read_bytes(const InputTensor& input) {
  if (input.tensor->datatype() != "BYTES") {
    return bad_input(
        input, absl::StrCat("has datatype \"", input.tensor->datatype(), "\"; it takes BYTES"));
  }
  absl::StatusOr<int64_t> count = element_count(input);
  if (!count.ok()) return count.status();
  if (input.raw != nullptr) return read_raw_bytes(input, *count);
  const auto& contents = input.tensor->contents().bytes_contents();
  if (contents.size() != *count) return wrong_count(input, contents.size(), *count);
  return std::vector<std::string_view>(contents.begin(), contents.end());
}

absl::StatusOr<std::vector<int64_t>> read_integers(const InputTensor& input) {
  const std::string& datatype = input.tensor->datatype();
  if (datatype != "INT64" && datatype != "INT32") {
    return bad_input(input,
                     absl::StrCat("has datatype \"", datatype, "\"; it takes INT64 or INT32"));
  }
  absl::StatusOr<int64_t> count = element_count(input);
  if (!count.ok()) return count.status();
  const bool wide = datatype == "INT64";
  if (input.raw != nullptr) {
    return wide ? read_raw_integers<int64_t>(input, *count)
                : read_raw_integers<int32_t>(input, *count);
  }
  const inference::InferTensorContents& contents = input.tensor->contents();
  std::vector<int64_t> values;
  if (wide) {
    values.assign(contents.int64_contents().begin(), contents.int64_contents().end());
  } else {
    values.assign(contents.int_contents().begin(), contents.int_contents().end());
  }
  const auto found = static_cast<int64_t>(values.size());
  if (found != *count) return wrong_count(input, found, *count);
  return values;
}

absl::StatusOr<std::vector<uint8_t>> read_octets(const InputTensor& input) {
  if (input.tensor->datatype() != "UINT8") {
    return bad_input(
        input, absl::StrCat("has datatype \"", input.tensor->datatype(), "\"; it takes UINT8"));
  }
  absl::StatusOr<int64_t> count = element_count(input);
  if (!count.ok()) return count.status();
  if (input.raw != nullptr) {
    const auto found = static_cast<int64_t>(input.raw->size());
    if (found != *count) return wrong_count(input, found, *count);
    return std::vector<uint8_t>(input.raw->begin(), input.raw->end());
  }
  const auto& contents = input.tensor->contents().uint_contents();
  if (contents.size() != *count) return wrong_count(input, contents.size(), *count);
  std::vector<uint8_t> values;
  values.reserve(static_cast<size_t>(contents.size()));
  for (const uint32_t value : contents) {
    if (value > 255) return bad_input(input, absl::StrCat("holds ", value, "; UINT8 ends at 255"));
    values.push_back(static_cast<uint8_t>(value));
  }
  return values;
}

std::string shape_text(const google::protobuf::RepeatedField<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ","), "]");
}

absl::Status bad_input(const InputTensor& input, const std::string& message) {
  return with_reason(
      absl::InvalidArgumentError(absl::StrCat("input \"", input.tensor->name(), "\" ", message)),
      "BAD_INPUT", absl::StrCat("inputs[", input.index, "]"));
}

std::string raw_bytes(std::span<const float> values) { return raw_of(values); }
std::string raw_bytes(std::span<const int32_t> values) { return raw_of(values); }

std::string raw_bytes(std::span<const std::string_view> values) {
  std::string bytes;
  for (std::string_view value : values) {
    const auto size = static_cast<uint32_t>(value.size());
    bytes.append(reinterpret_cast<const char*>(&size), sizeof(size));
    bytes.append(value);
  }
  return bytes;
}

}  // namespace espalier::server
