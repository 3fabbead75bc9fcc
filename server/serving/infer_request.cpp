#include "server/serving/infer_request.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status_macros.h"
#include "core/image/decode.h"
#include "server/common/status.h"
#include "server/serving/answer_size.h"
#include "server/serving/classification.h"
#include "server/serving/context_tokens.h"

namespace espalier::server {
namespace {

using runtime::ModelInfo;
using runtime::Row;

std::string names(std::span<const TensorSpec> specs) {
  return absl::StrJoin(specs, ", ",
                       [](std::string* out, const TensorSpec& spec) { out->append(spec.name); });
}

absl::Status bad_inputs(const std::string& message) {
  return with_reason(absl::InvalidArgumentError(message), "BAD_INPUT", "inputs");
}

using Inputs = std::map<std::string, InputTensor, std::less<>>;

bool has_name(std::span<const TensorSpec> specs, const std::string& name) {
  return std::any_of(specs.begin(), specs.end(),
                     [&](const TensorSpec& spec) { return name == spec.name; });
}

absl::Status unknown_input(const InputTensor& input, const ModelInfo& info) {
  const bool images = info.reads == Reads::kImage;
  const bool other =
      has_name(input_specs(images ? Reads::kText : Reads::kImage), input.tensor->name());
  const std::string known = names(input_specs(info.reads));
  if (!other) return bad_input(input, absl::StrCat("is unknown; known: ", known));
  return bad_input(input, absl::StrCat("is for models that read ", images ? "texts" : "images",
                                       "; this one, for ", info.task, ", reads ",
                                       images ? "images" : "texts", " and knows: ", known));
}

absl::StatusOr<Inputs> inputs_by_name(const inference::ModelInferRequest& request,
                                      const ModelInfo& info) {
  ESPALIER_ASSIGN_OR_RETURN(const std::vector<InputTensor> tensors, input_tensors(request));
  Inputs inputs;
  for (const InputTensor& input : tensors) {
    const std::string& name = input.tensor->name();
    if (!has_name(input_specs(info.reads), name)) return unknown_input(input, info);
    if (!inputs.emplace(name, input).second) return bad_input(input, "appears twice");
  }
  return inputs;
}

absl::Status check_rows(const InputTensor& input, int64_t rows) {
  if (rows >= 1 && rows <= kMaxRequestRows) return absl::OkStatus();
  return bad_input(input,
                   absl::StrCat("has ", rows, " rows; a request takes 1 to ", kMaxRequestRows));
}

// `what`, of at most so many bytes each.
absl::StatusOr<std::vector<std::string_view>> read_column(const InputTensor& input,
                                                          const char* what, size_t most) {
  const auto& shape = input.tensor->shape();
  if (shape.size() != 1 && !(shape.size() == 2 && shape[1] == 1)) {
    return bad_input(input,
                     absl::StrCat("has shape ", shape_text(shape), "; it takes [n] or [n,1]"));
  }
  ESPALIER_RETURN_IF_ERROR(check_rows(input, shape[0]));
  ESPALIER_ASSIGN_OR_RETURN(std::vector<std::string_view> texts, read_bytes(input));
  for (size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].size() <= most) continue;
    return bad_input(input, absl::StrCat("has ", texts[i].size(), " bytes in row ", i, "; ", what,
                                         " takes at most ", most));
  }
  return texts;
}

absl::Status parse_texts(const Inputs& inputs, ParsedRequest& parsed) {
  const InputTensor& text = inputs.at("text");
  ESPALIER_ASSIGN_OR_RETURN(parsed.texts, read_column(text, "a text", kMaxTextBytes));
  const auto pair = inputs.find("text_pair");
  if (pair == inputs.end()) return absl::OkStatus();
  ESPALIER_ASSIGN_OR_RETURN(parsed.pairs, read_column(pair->second, "a text", kMaxTextBytes));
  if (parsed.pairs.size() != parsed.texts.size()) {
    return bad_input(pair->second, absl::StrCat("has ", parsed.pairs.size(), " rows; \"text\" has ",
                                                parsed.texts.size()));
  }
  return absl::OkStatus();
}

// Length of one row by its mask: ones, then zeros.
absl::StatusOr<size_t> row_length(const InputTensor& mask, std::span<const int64_t> values,
                                  size_t row) {
  const auto odd = std::find_if(values.begin(), values.end(),
                                [](int64_t value) { return value != 0 && value != 1; });
  if (odd != values.end()) {
    return bad_input(mask, absl::StrCat("holds ", *odd, " in row ", row, "; it takes 0 and 1"));
  }
  const auto length =
      static_cast<size_t>(std::find(values.begin(), values.end(), 0) - values.begin());
  if (std::find(values.begin() + static_cast<std::ptrdiff_t>(length), values.end(), 1) !=
      values.end()) {
    return bad_input(mask, absl::StrCat("has a 1 after a 0 in row ", row,
                                        "; pad on the right, so that ones come before zeros"));
  }
  if (length == 0) return bad_input(mask, absl::StrCat("leaves no token in row ", row));
  return length;
}

// Checks that 0 <= values < limit.
absl::Status check_range(const InputTensor& input, std::span<const int64_t> values, int limit,
                         size_t row, const char* what) {
  for (int64_t value : values) {
    if (value >= 0 && value < limit) continue;
    return bad_input(
        input, absl::StrCat("holds ", value, " in row ", row, "; ", what, " are 0 to ", limit - 1));
  }
  return absl::OkStatus();
}

absl::Status check_id_shapes(const Inputs& inputs, const ModelInfo& info) {
  const InputTensor& ids = inputs.at("input_ids");
  const auto& shape = ids.tensor->shape();
  if (shape.size() != 2) {
    return bad_input(ids, absl::StrCat("has shape ", shape_text(shape), "; it takes [n,T]"));
  }
  ESPALIER_RETURN_IF_ERROR(check_rows(ids, shape[0]));
  if (shape[1] < 1 || shape[1] > info.max_length) {
    return bad_input(ids, absl::StrCat("has rows of ", shape[1], " tokens; the model takes 1 to ",
                                       info.max_length));
  }
  for (const auto& [name, input] : inputs) {
    const auto& other = input.tensor->shape();
    if (!std::equal(shape.begin(), shape.end(), other.begin(), other.end())) {
      return bad_input(input, absl::StrCat("has shape ", shape_text(other), "; \"input_ids\" has ",
                                           shape_text(shape)));
    }
  }
  return absl::OkStatus();
}

std::vector<int32_t> places_of(std::span<const int64_t> ids, int32_t wanted) {
  std::vector<int32_t> out;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] == wanted) out.push_back(static_cast<int32_t>(i));
  }
  return out;
}

absl::Status parse_ids(const Inputs& inputs, const ModelInfo& info, ParsedRequest& parsed) {
  const InputTensor& id_input = inputs.at("input_ids");
  const auto mask_input = inputs.find("attention_mask");
  if (mask_input == inputs.end()) {
    return bad_inputs("\"input_ids\" came without \"attention_mask\"; send both");
  }
  ESPALIER_RETURN_IF_ERROR(check_id_shapes(inputs, info));
  ESPALIER_ASSIGN_OR_RETURN(const std::vector<int64_t> ids, read_integers(id_input));
  ESPALIER_ASSIGN_OR_RETURN(const std::vector<int64_t> mask, read_integers(mask_input->second));
  const auto type_input = inputs.find("token_type_ids");
  std::vector<int64_t> types;
  if (type_input != inputs.end()) {
    ESPALIER_ASSIGN_OR_RETURN(types, read_integers(type_input->second));
  }
  const auto rows = static_cast<size_t>(id_input.tensor->shape(0));
  const auto width = static_cast<size_t>(id_input.tensor->shape(1));
  for (size_t i = 0; i < rows; ++i) {
    ESPALIER_ASSIGN_OR_RETURN(
        const size_t length,
        row_length(mask_input->second, std::span(mask).subspan(i * width, width), i));
    const auto row_ids = std::span(ids).subspan(i * width, length);
    ESPALIER_RETURN_IF_ERROR(check_range(id_input, row_ids, info.vocabulary, i, "token ids"));
    Row row;
    row.input.ids.assign(row_ids.begin(), row_ids.end());
    row.input.types.assign(length, 0);
    if (!types.empty()) {
      const auto row_types = std::span(types).subspan(i * width, length);
      ESPALIER_RETURN_IF_ERROR(check_range(type_input->second, row_types,
                                           std::max(info.token_types, 1), i, "token types"));
      row.input.types.assign(row_types.begin(), row_types.end());
    }
    if (info.objective == Objective::kWords) row.input.asked = places_of(row_ids, info.mask_id);
    if (info.objective == Objective::kWords && row.input.asked.empty()) {
      return bad_input(id_input,
                       absl::StrCat("has no mask token (", info.mask_text, ", id ", info.mask_id,
                                    ") in row ", i, "; put one where a word is asked for"));
    }
    if (info.objective == Objective::kSpan) {
      auto places = context_tokens(row.input, info);
      if (!places.ok())
        return bad_input(id_input, absl::StrCat("row ", i, ": ", places.status().message()));
      ReadRow& read = parsed.read.emplace_back();
      read.is_ids = true;
      read.windows.emplace_back().places = *std::move(places);
    }
    parsed.rows.push_back(std::move(row));
  }
  return absl::OkStatus();
}

absl::Status parse_pixels(const InputTensor& input, const ModelInfo& info, ParsedRequest& parsed) {
  const auto& shape = input.tensor->shape();
  const std::vector<int64_t> sizes = sizes_of_input(info);
  if (shape.size() != 1 + static_cast<int>(sizes.size()) ||
      !std::equal(sizes.begin(), sizes.end(), shape.begin() + 1)) {
    return bad_input(
        input, absl::StrCat("has shape ", shape_text(shape), "; it takes [n,",
                            absl::StrJoin(sizes, ","), "], and \"image\" takes files of any size"));
  }
  ESPALIER_RETURN_IF_ERROR(check_rows(input, shape[0]));
  ESPALIER_ASSIGN_OR_RETURN(const std::vector<uint8_t> pixels, read_octets(input));
  const auto size = static_cast<std::ptrdiff_t>(pixels.size()) / shape[0];
  for (auto first = pixels.begin(); first != pixels.end(); first += size) {
    Row row;
    row.input.pixels.assign(first, first + size);
    row.input.image_tokens = info.max_length;
    parsed.rows.push_back(std::move(row));
  }
  return absl::OkStatus();
}

// Files without a header that can be read count nothing: decoding says what is wrong with them.
absl::Status check_request_pixels(const InputTensor& input,
                                  std::span<const std::string_view> files) {
  int64_t pixels = 0;
  for (const std::string_view file : files) pixels += pixels_of(file).value_or(0);
  if (pixels <= kMaxRequestPixels) return absl::OkStatus();
  return bad_input(input, absl::StrCat("holds ", pixels, " pixels in ", files.size(),
                                       " rows; a request takes at most ", kMaxRequestPixels,
                                       ": send fewer images at once, or smaller ones"));
}

absl::Status parse_images(const Inputs& inputs, const ModelInfo& info, ParsedRequest& parsed) {
  if (inputs.size() != 1) {
    return bad_inputs(absl::StrCat("the request has ",
                                   inputs.empty() ? "no inputs" : "both files and pixels",
                                   "; send either image or pixels"));
  }
  if (const auto pixels = inputs.find("pixels"); pixels != inputs.end())
    return parse_pixels(pixels->second, info, parsed);
  const InputTensor& image = inputs.at("image");
  ESPALIER_ASSIGN_OR_RETURN(parsed.images, read_column(image, "an image", kMaxImageBytes));
  return check_request_pixels(image, parsed.images);
}

absl::StatusOr<std::vector<WantedOutput>> parse_outputs(const inference::ModelInferRequest& request,
                                                        const ModelInfo& info) {
  std::vector<WantedOutput> outputs;
  for (int i = 0; i < request.outputs_size(); ++i) {
    const auto& wanted = request.outputs(i);
    const std::string field = absl::StrCat("outputs[", i, "]");
    const auto refuse = [&](absl::Status status) {
      return with_reason(std::move(status), "BAD_OUTPUT", field);
    };
    const std::optional<Output> output = output_by_name(wanted.name());
    if (!output.has_value()) {
      return refuse(absl::InvalidArgumentError(absl::StrCat(
          "output \"", wanted.name(), "\" is unknown; known: ", names(output_specs()))));
    }
    if (std::any_of(outputs.begin(), outputs.end(),
                    [&](const WantedOutput& other) { return other.output == *output; })) {
      return refuse(absl::InvalidArgumentError(
          absl::StrCat("output \"", wanted.name(), "\" is asked for twice")));
    }
    const bool has_none = (info.objective == Objective::kValue &&
                           (output == Output::kProbabilities || output == Output::kConfidence)) ||
                          (info.objective == Objective::kWords && output == Output::kProbabilities);
    if (has_none) {
      return refuse(absl::InvalidArgumentError(absl::StrCat("output \"", wanted.name(),
                                                            "\" does not exist for ", info.task,
                                                            "; ask for logits, "
                                                            "label or answer")));
    }
    const absl::StatusOr<int> classes = parse_classification(wanted, *output, info);
    if (!classes.ok()) return refuse(classes.status());
    outputs.push_back({*output, *classes});
  }
  if (outputs.empty()) {
    for (const Output usual : usual_outputs(info.objective)) outputs.push_back({usual});
  }
  return outputs;
}

// Wide outputs have room for the windows of the longest row in every row.
absl::Status check_windows(size_t row, size_t windows, size_t rows) {
  const size_t most = static_cast<size_t>(kMaxRequestRows) / rows;
  if (windows <= most) return absl::OkStatus();
  return bad_inputs(absl::StrCat("row ", row, " is read in ", windows,
                                 " windows, where a request of ", rows, " rows takes at most ",
                                 most, " a row; send fewer rows, or a shorter context"));
}

// Row i of texts or images.
Sample sample_of(const ParsedRequest& request, size_t i) {
  Sample sample;
  if (!request.images.empty()) {
    sample.image = request.images[i];
    return sample;
  }
  sample.text = request.texts[i];
  sample.has_pair = !request.pairs.empty();
  if (sample.has_pair) sample.pair = request.pairs[i];
  return sample;
}

absl::Status parse_text_or_ids(const Inputs& inputs, const ModelInfo& info, ParsedRequest& parsed) {
  const auto any = [&](std::initializer_list<const char*> wanted) {
    return std::any_of(wanted.begin(), wanted.end(),
                       [&](const char* name) { return inputs.contains(name); });
  };
  const bool text = any({"text", "text_pair"});
  const bool ids = any({"input_ids", "attention_mask", "token_type_ids"});
  if (text == ids) {
    return bad_inputs(absl::StrCat("the request has ", text ? "both texts and ids" : "no inputs",
                                   "; send either text (and text_pair), or input_ids and "
                                   "attention_mask (and token_type_ids)"));
  }
  if (text && !inputs.contains("text")) return bad_inputs("\"text_pair\" came without \"text\"");
  if (ids && !inputs.contains("input_ids")) {
    return bad_inputs("\"input_ids\" is missing; send it with attention_mask");
  }
  return text ? parse_texts(inputs, parsed) : parse_ids(inputs, info, parsed);
}

}  // namespace

std::vector<Output> names_of_outputs(std::span<const WantedOutput> outputs) {
  std::vector<Output> names;
  for (const WantedOutput& wanted : outputs) names.push_back(wanted.output);
  return names;
}

absl::StatusOr<ParsedRequest> parse_infer_request(const inference::ModelInferRequest& request,
                                                  const ModelInfo& info) {
  ParsedRequest parsed;
  ESPALIER_ASSIGN_OR_RETURN(parsed.parameters, parse_parameters(request.parameters(), info));
  ESPALIER_ASSIGN_OR_RETURN(parsed.outputs, parse_outputs(request, info));
  ESPALIER_ASSIGN_OR_RETURN(const Inputs inputs, inputs_by_name(request, info));
  ESPALIER_RETURN_IF_ERROR(info.reads == Reads::kImage ? parse_images(inputs, info, parsed)
                                                       : parse_text_or_ids(inputs, info, parsed));
  return parsed;
}

absl::StatusOr<EncodedRequest> encode_request(ParsedRequest request, const runtime::Engine& engine,
                                              const std::function<absl::Status()>& go_on) {
  EncodedRequest encoded;
  encoded.rows = std::move(request.rows);
  encoded.read = std::move(request.read);
  const size_t rows = std::max(request.texts.size(), request.images.size());
  for (size_t i = 0; i < rows; ++i) {
    if (go_on) ESPALIER_RETURN_IF_ERROR(go_on());
    ReadRow read;
    read.sample = sample_of(request, i);
    absl::StatusOr<std::vector<Features>> windows = engine.encode(read.sample);
    if (!windows.ok()) {
      return with_reason(absl::Status(windows.status().code(),
                                      absl::StrCat("row ", i, ": ", windows.status().message())),
                         "BAD_INPUT", "inputs");
    }
    read.windows = *std::move(windows);
    for (Features& window : read.windows) {
      encoded.truncated = encoded.truncated || window.truncated;
      encoded.rows.push_back({.input = std::move(window.input)});
    }
    encoded.read.push_back(std::move(read));
    ESPALIER_RETURN_IF_ERROR(check_windows(i, encoded.read.back().windows.size(), rows));
  }
  const std::vector<Output> outputs = names_of_outputs(request.outputs);
  ESPALIER_RETURN_IF_ERROR(check_answer_size(engine.info(), outputs, encoded.rows, encoded.read));
  const bool with_logits =
      std::find(outputs.begin(), outputs.end(), Output::kLogits) != outputs.end();
  for (Row& row : encoded.rows) {
    row.with_logits = with_logits;
    row.exit_threshold = request.parameters.exit_threshold;
    row.max_exit_layer = request.parameters.max_exit_layer;
  }
  return encoded;
}

}  // namespace espalier::server
