// Tensors in JSON and messages as JSON: what is read, written and read again stays the same.
//
// An input is a line with a datatype and a shape, "INT32 2 3", then JSON, or the raw elements, or
// a message.
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/text/utf8.h"
#include "inference/grpc_service.pb.h"
#include "server/serving/rest/json_tensors.h"
#include "server/serving/rest/message_json.h"
#include "tests/fuzz/byte_mutator.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/json_mutator.h"

namespace espalier::fuzz {
namespace {

using Json = nlohmann::json;

struct Tensor {
  std::string datatype;
  std::vector<int64_t> shape;
  std::string_view content;
};

Tensor tensor_of(std::string_view input) {
  const size_t end = std::min(input.find('\n'), input.size());
  const std::vector<std::string> words =
      absl::StrSplit(std::string(input.substr(0, end)), ' ', absl::SkipEmpty());
  Tensor tensor;
  if (!words.empty()) tensor.datatype = words[0];
  for (size_t i = 1; i < words.size(); ++i) {
    int64_t size = 0;
    if (absl::SimpleAtoi(words[i], &size)) tensor.shape.push_back(size);
  }
  tensor.content = input.substr(std::min(end + 1, input.size()));
  return tensor;
}

Json parsed(std::string_view text) {
  return Json::parse(text, nullptr, /*allow_exceptions=*/false);
}

// Raw elements -> JSON -> raw elements. Nothing where JSON has no form for them.
std::optional<std::string> back_and_forth(const std::string& datatype, std::string_view raw) {
  std::string text;
  if (!server::append_json(datatype, raw, text).ok()) return std::nullopt;
  const Json json = parsed(text);
  promise(json.is_array() && is_utf8(text), "elements are written as an array");
  const std::vector<int64_t> flat = {static_cast<int64_t>(json.size())};
  const auto again = server::raw_from_json(datatype, flat, json);
  if (!again.ok()) return std::nullopt;
  return *again;
}

std::string run_json(const Tensor& tensor) {
  const auto object = server::parse_object(tensor.content);
  const Json json = object.ok() ? *object : parsed(tensor.content);
  if (json.is_discarded()) return kind_of(object.status());
  const auto raw = server::raw_from_json(tensor.datatype, tensor.shape, json);
  if (!raw.ok()) return kind_of(raw.status());
  promise(back_and_forth(tensor.datatype, *raw) == *raw, "elements survive JSON");
  return "tensor " + tensor.datatype;
}

std::string run_raw(const Tensor& tensor) {
  // A number that is none becomes null, and what is too short for an element is left out.
  const auto once = back_and_forth(tensor.datatype, tensor.content);
  if (!once) return "no JSON";
  promise(once->size() <= tensor.content.size(), "nothing is added");
  promise(back_and_forth(tensor.datatype, *once) == *once, "raw elements survive JSON");
  return "raw " + tensor.datatype;
}

template <class Message>
std::string run_message(std::string_view bytes) {
  Message message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return "";
  const Json json = server::message_json(message);
  const std::string text = server::dump(json);
  promise(is_utf8(text), "a message's JSON is UTF-8");
  const Json again = parsed(text);
  promise(again.is_object() && again.size() == json.size(), "a message's JSON can be read");
  promise(server::dump(again) == text, "a message's JSON stays the same");
  return " " + message.GetDescriptor()->name();
}

std::string run(std::string_view input) {
  const Tensor tensor = tensor_of(input);
  return absl::StrCat(run_json(tensor), ", ", run_raw(tensor),
                      run_message<inference::ModelConfigResponse>(tensor.content),
                      run_message<inference::ModelStatisticsResponse>(tensor.content),
                      run_message<inference::ModelInferResponse>(tensor.content));
}

std::string mutate(std::string_view input, Random& random) {
  const Tensor tensor = tensor_of(input);
  Json json = parsed(tensor.content);
  if (json.is_discarded()) return std::string(input);
  mutate_json(json, {}, random);
  std::string line = tensor.datatype;
  const bool fits = json.is_array() && random.below(2) == 0;
  if (fits) absl::StrAppend(&line, " ", json.size());
  for (size_t i = fits ? 1 : 0; i < tensor.shape.size(); ++i)
    absl::StrAppend(&line, " ", tensor.shape[i]);
  return absl::StrCat(line, "\n", json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

std::string message_seed() {
  inference::ModelConfigResponse response;
  auto* config = response.mutable_config();
  config->set_name("class");
  config->set_max_batch_size(8);
  config->mutable_version_policy()->mutable_latest()->set_num_versions(2);
  config->add_input()->add_dims(-1);
  (*config->mutable_parameters())["task"].set_string_value("text");
  return "none\n" + response.SerializeAsString();
}

}  // namespace

Target fuzz_target() {
  watch_protobuf();
  return {.run = run,
          .mutate = mutate,
          .seeds = {"BOOL 2\n[true,false]", "UINT8 2 2\n[[0,255],[7,8]]", "INT8 3\n[-128,127,0]",
                    "UINT16 1\n[65535]", "INT16 1\n[-32768]", "UINT32 1\n[4294967295]",
                    "INT32 2\n[-2147483648,5]", "UINT64 1\n[18446744073709551615]",
                    "INT64 1\n[-9223372036854775808]", "FP32 3\n[0.1,-3.4e38,1]",
                    "FP64 2 1\n[[1e308],[-0.0]]", "BYTES 2\n[\"a\",\"\xc3\xa9\\u0000\\n\"]",
                    "FP16 1\n[1]", "BYTES\n\x01\0\0\0a", "FP32\n\0\0\x80\x3f", "INT64 0 5\n[]",
                    message_seed()},
          .words = {"BOOL ", "UINT64 ", "INT8 ", "FP32 ", "FP64 ", "BYTES ", "[", "]", "null",
                    "1e309", "-0", "\"", "\\ud800", "\xff"}};
}

}  // namespace espalier::fuzz
