// A method, a path, two headers and a body, to REST's routes over the protocol: the status is a
// documented one, the body is what its headers say, and a request in JSON, the same in binary data
// and the same without REST are answered alike.
//
// An input is three lines, then the body: "POST /v2/models/class/infer", the header
// Inference-Header-Content-Length, the header Content-Encoding.
#include <array>
#include <memory>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/text/utf8.h"
#include "server/serving/rest/infer_json.h"
#include "server/serving/rest/message_json.h"
#include "server/serving/rest/routes.h"
#include "tests/fuzz/byte_mutator.h"
#include "tests/fuzz/fuzz_server.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/inbox.h"
#include "tests/fuzz/json_mutator.h"

namespace espalier::fuzz {
namespace {

using Json = nlohmann::json;
using inference::ModelInferRequest;
using server::RestRequest;
using server::RestResponse;

std::string take_line(std::string_view& rest) {
  const size_t end = std::min(rest.find('\n'), rest.size());
  const std::string line(rest.substr(0, end));
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return line;
}

RestRequest request_of(std::string_view input) {
  RestRequest request;
  const std::string first = take_line(input);
  const size_t space = std::min(first.find(' '), first.size());
  request.method = first.substr(0, space);
  request.target = first.substr(std::min(space + 1, first.size()));
  request.json_size = take_line(input);
  request.content_encoding = take_line(input);
  request.body = input;
  return request;
}

std::string text_of(const RestRequest& request) {
  return absl::StrCat(request.method, " ", request.target, "\n", request.json_size, "\n",
                      request.content_encoding, "\n", request.body);
}

RestResponse ask(const RestRequest& request) {
  static const server::Routes routes(fuzz_server().protocol(), fuzz_server().metrics(),
                                     [](const std::function<void()>& work) {
                                       work();
                                       return absl::OkStatus();
                                     });
  const auto inbox = std::make_shared<Inbox<RestResponse>>();
  const auto call =
      routes.answer(request, [inbox](RestResponse answer) { inbox->put(std::move(answer)); });
  return inbox->wait();
}

Json parsed(std::string_view text) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  promise(!json.is_discarded(), "an answer is JSON");
  promise(is_utf8(text), "an answer is UTF-8");
  return json;
}

// The JSON of an answer, whose binary data are as long as it says.
Json check_body(const RestResponse& answer) {
  if (!answer.json_size.has_value()) {
    promise(answer.content_type == "application/json", "an answer without a length is JSON");
    return parsed(answer.body);
  }
  promise(answer.content_type == "application/octet-stream", "binary data have their type");
  promise(*answer.json_size <= answer.body.size(), "the JSON is no longer than the body");
  Json json = parsed(std::string_view(answer.body).substr(0, *answer.json_size));
  size_t bytes = 0;
  for (const Json& output : json.at("outputs")) {
    const Json parameters = output.value("parameters", Json::object());
    const bool is_binary = parameters.contains("binary_data_size");
    promise(output.contains("data") != is_binary, "an output has data or binary data");
    if (is_binary) bytes += parameters["binary_data_size"].get<size_t>();
  }
  promise(*answer.json_size + bytes == answer.body.size(), "binary data are as long as they say");
  return json;
}

Json check(const RestRequest& request, const RestResponse& answer) {
  static const std::set<int> statuses = {200, 400, 404, 405, 415, 501, 503};
  if (!statuses.contains(answer.status))
    broken(absl::StrCat("status ", answer.status, " is a documented one: ", answer.body));
  promise((answer.status == 405) == !answer.allow.empty(), "a 405 says what is allowed");
  Json json = check_body(answer);
  const bool says_why = json.is_object() && json.contains("error") && json["error"].is_string();
  const bool is_health = json.is_object() && json.contains("ready");
  promise(answer.status == 200 || says_why || is_health, "a refusal says why");
  return json;
}

// The request with all its tensors as binary data, and all outputs so.
RestRequest binary_twin(const ModelInferRequest& request) {
  Json json = {{"id", request.id()}, {"parameters", server::parameters_json(request.parameters())}};
  json["parameters"]["binary_data_output"] = true;
  json["inputs"] = Json::array();
  std::string binary;
  for (int i = 0; i < request.inputs_size(); ++i) {
    const auto& input = request.inputs(i);
    const std::string& raw = request.raw_input_contents(i);
    Json tensor = {{"name", input.name()}, {"datatype", input.datatype()}};
    tensor["shape"] = std::vector<int64_t>(input.shape().begin(), input.shape().end());
    tensor["parameters"] = server::parameters_json(input.parameters());
    tensor["parameters"]["binary_data_size"] = raw.size();
    json["inputs"].push_back(std::move(tensor));
    binary += raw;
  }
  for (const auto& output : request.outputs()) {
    json["outputs"].push_back(
        {{"name", output.name()}, {"parameters", server::parameters_json(output.parameters())}});
  }
  RestRequest twin{.method = "POST",
                   .target = absl::StrCat("/v2/models/", request.model_name(), "/infer")};
  const std::string head = server::dump(json);
  twin.json_size = std::to_string(head.size());
  twin.body = head + binary;
  return twin;
}

// `answer` is that to `asked`; both in the words of infer_json.h.
void check_twins(const RestRequest& asked, const RestResponse& answer, const Json& json) {
  size_t size = asked.body.size();
  if (!asked.json_size.empty() && (!absl::SimpleAtoi(asked.json_size, &size) || size == 0)) return;
  auto body = server::parse_infer_body(asked.body, size);
  promise(body.ok(), "what was answered can be read again");
  ModelInferRequest& request = body->request;
  if (request.parameters().contains("timeout")) return;  // it may run out the second time
  request.set_model_name(json.at("model_name").get<std::string>());
  const auto direct = fuzz_server().ask(request);
  promise(direct.ok(), "the protocol takes what REST takes");
  const auto written = server::write_infer_body(*direct, body->forms);
  promise(written.ok() && written->text == answer.body, "REST answers as the protocol does");
  const RestResponse twin = ask(binary_twin(request));
  const auto binary = server::write_infer_body(*direct, {.binary = true, .binary_of = {}});
  promise(twin.status == 200 && binary.ok() && twin.body == binary->text,
          "binary data are answered as JSON is");
}

std::string run(std::string_view input) {
  const RestRequest request = request_of(input);
  const RestResponse answer = ask(request);
  const Json json = check(request, answer);
  const bool inferred = answer.status == 200 && json.is_object() && json.contains("outputs") &&
                        json.contains("model_version") && request.method == "POST";
  if (inferred) check_twins(request, answer, json);
  if (answer.status != 200 && json.contains("error"))
    return absl::StrCat(answer.status, " ", kind_of_text(json["error"].get<std::string>()));
  std::string kind = absl::StrCat(answer.status, answer.json_size.has_value() ? " binary" : "");
  for (const auto& [key, value] : json.items()) absl::StrAppend(&kind, " ", kind_of_text(key));
  if (inferred) {
    absl::StrAppend(&kind, " ", json.at("model_name").get<std::string>());
    for (const Json& output : json.at("outputs"))
      absl::StrAppend(&kind, " ", output.at("name").get<std::string>(), output.contains("data"));
  }
  return kind;
}

constexpr std::array kTargets = {"/v2",
                                 "/v2/health/live",
                                 "/v2/health/ready",
                                 "/v2/models/stats",
                                 "/v2/models/class",
                                 "/v2/models/%63lass/ready",
                                 "/v2/models/absent/ready",
                                 "/v2/models/span/config?x=y",
                                 "/v2/models/image/stats",
                                 "/v2/models/words/versions/one",
                                 "/v2/models/class/versions/stable/ready",
                                 "/v2/models/tags/versions/9/config",
                                 "/v2/models/value/versions/one/stats",
                                 "/v2/models/class/versions/stable/infer",
                                 "/v2/models/%ff%C3%A9/infer",
                                 "/v2/models/class/infer",
                                 "/v2/models/image/infer",
                                 "/v2/models/span/infer",
                                 "/v2/models/tags/infer",
                                 "/v2/models/words/infer",
                                 "/v2/models/labels/infer/",
                                 "/v2/models/class/trace/setting",
                                 "/v2/repository/index",
                                 "/v2/repository/models/class/load",
                                 "/v2/repository/models/%c3/unload",
                                 "/v2/logging",
                                 "/v2/systemsharedmemory/status",
                                 "/v2/cudasharedmemory/region/r/register",
                                 "//v2//",
                                 "/",
                                 ""};
constexpr std::array kMethods = {"GET", "POST", "PUT", "HEAD", "DELETE", ""};

std::string mutate(std::string_view input, Random& random) {
  RestRequest request = request_of(input);
  if (random.below(16) == 0) request.method = any_of(kMethods, random);
  if (random.below(16) == 0) request.target = any_of(kTargets, random);
  if (random.below(64) == 0) request.content_encoding = any_of(request_words(), random);
  size_t said = 0;
  const bool has_size = absl::SimpleAtoi(request.json_size, &said);
  const size_t size = std::min(has_size ? said : request.body.size(), request.body.size());
  Json json = Json::parse(request.body.substr(0, size), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return text_of(request);
  mutate_json(json, request_words(), random);
  const std::string head = json.dump(-1, ' ', random.below(2) == 0, Json::error_handler_t::replace);
  const std::string tail = request.body.substr(size);
  if (!tail.empty() || random.below(16) == 0) request.json_size = std::to_string(head.size());
  request.body = head + tail;
  return text_of(request);
}

// What infer_fuzz begins with, as REST has it: in JSON where that can be, and in binary data.
void add_seeds(const ModelInferRequest& typed, std::vector<std::string>& seeds) {
  Json json = {{"inputs", Json::array()}};
  if (!typed.id().empty()) json["id"] = typed.id();
  if (!typed.parameters().empty()) json["parameters"] = server::parameters_json(typed.parameters());
  for (const auto& output : typed.outputs()) {
    json["outputs"].push_back(
        {{"name", output.name()}, {"parameters", server::parameters_json(output.parameters())}});
  }
  for (const auto& input : typed.inputs()) {
    Json tensor = {{"name", input.name()}, {"datatype", input.datatype()}};
    tensor["shape"] = std::vector<int64_t>(input.shape().begin(), input.shape().end());
    Json& data = tensor["data"] = Json::array();
    const auto& contents = input.contents();
    for (const std::string& text : contents.bytes_contents()) data.push_back(text);
    for (const int64_t number : contents.int64_contents()) data.push_back(number);
    for (const uint32_t number : contents.uint_contents()) data.push_back(number);
    json["inputs"].push_back(std::move(tensor));
  }
  const std::string target = absl::StrCat("POST /v2/models/", typed.model_name(), "/infer\n");
  const std::string text = server::dump(json);
  seeds.push_back(absl::StrCat(target, "\n\n", text));
  auto body = server::parse_infer_body(text, std::nullopt);
  if (!body.ok()) return;
  body->request.set_model_name(typed.model_name());
  seeds.push_back(text_of(binary_twin(body->request)));
}

}  // namespace

Target fuzz_target() {
  Target target{.run = run, .mutate = mutate, .seeds = {}, .words = request_words()};
  for (const ModelInferRequest& request : seed_requests()) add_seeds(request, target.seeds);
  for (const char* path : kTargets) {
    for (const char* method : {"GET", "POST"})
      target.seeds.push_back(absl::StrCat(method, " ", path, "\n\n\n"));
  }
  target.seeds.push_back("POST /v2/models/class/infer\n0\n\na great film");
  target.seeds.push_back("POST /v2/repository/index\n\n\n{\"ready\":true}");
  target.seeds.push_back(
      "POST /v2/repository/models/class/load\n\n\n"
      "{\"parameters\":{\"config\":\"{}\",\"file:1/a\":\"YQ==\",\"n\":1,\"b\":true}}");
  target.seeds.push_back("POST /v2/models/class/infer\n\ngzip\n{}");
  return target;
}

}  // namespace espalier::fuzz
