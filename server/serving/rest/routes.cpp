#include "server/serving/rest/routes.h"

#include <spdlog/spdlog.h>

#include <charconv>
#include <chrono>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/guard.h"
#include "core/base/status_macros.h"
#include "server/serving/rest/infer_json.h"
#include "server/serving/rest/message_json.h"

namespace espalier::server {
namespace {

using CallPtr = std::shared_ptr<Protocol::Call>;
using Answer = absl::StatusOr<RestResponse>;
using Done = std::function<void(Answer)>;

// A request at its route.
struct Asked {
  Protocol& protocol;
  const Routes::RunSlowly& run_slowly;
  RestRequest request;
  std::string model, version;  // of the path
};

RestResponse json_response(const nlohmann::json& json, int status = 200) {
  return {.status = status, .body = dump(json)};
}

template <class Message>
Answer message_response(const absl::StatusOr<Message>& message) {
  ESPALIER_RETURN_IF_ERROR(message.status());
  return json_response(message_json(*message));
}

// The body's object; an empty body is an empty one.
absl::StatusOr<nlohmann::json> options_of(const Asked& asked) {
  if (asked.request.body.empty()) return nlohmann::json::object();
  if (asked.request.body.size() > kMaxJsonBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the body has ", asked.request.body.size(),
                                                   " bytes; at most ", kMaxJsonBytes,
                                                   " of JSON are taken"));
  }
  return parse_object(asked.request.body);
}

Answer live(Asked& asked) {
  const bool live = asked.protocol.live();
  return json_response({{"live", live}}, live ? 200 : 503);
}

Answer ready(Asked& asked) {
  const bool ready = asked.protocol.ready();
  return json_response({{"ready", ready}}, ready ? 200 : 503);
}

Answer model_ready(Asked& asked) {
  ESPALIER_ASSIGN_OR_RETURN(const bool ready,
                            asked.protocol.model_ready(asked.model, asked.version));
  return json_response({{"name", asked.model}, {"ready", ready}}, ready ? 200 : 503);
}

Answer server_metadata(Asked& asked) {
  inference::ServerMetadataResponse metadata = asked.protocol.server_metadata();
  metadata.add_extensions("binary_tensor_data");  // of this way in alone
  return json_response(message_json(metadata));
}

Answer model_metadata(Asked& asked) {
  return message_response(asked.protocol.model_metadata(asked.model, asked.version));
}

// REST shows the configuration itself, without the message around it.
Answer model_config(Asked& asked) {
  ESPALIER_ASSIGN_OR_RETURN(const auto response,
                            asked.protocol.model_config(asked.model, asked.version));
  return json_response(message_json(response.config()));
}

Answer statistics(Asked& asked) {
  return message_response(asked.protocol.model_statistics(asked.model, asked.version));
}

Answer repository_index(Asked& asked) {
  ESPALIER_ASSIGN_OR_RETURN(const auto options, options_of(asked));
  const auto ready = options.find("ready");
  if (ready != options.end() && !ready->is_boolean()) {
    return absl::InvalidArgumentError("\"ready\" must be true or false");
  }
  const auto index = asked.protocol.repository_index(ready != options.end() && ready->get<bool>());
  // A bare array, as Triton's clients expect.
  auto models = nlohmann::json::array();
  for (const auto& model : index.models()) models.push_back(message_json(model));
  return json_response(models);
}

Answer unoffered(Asked&) {
  return absl::UnimplementedError(
      "shared memory, tracing and log settings are not offered; send tensors in the request, and "
      "see the metrics of the admin port");
}

// The message of a load or an unload.
template <class Request>
absl::StatusOr<Request> change_request(const Asked& asked) {
  ESPALIER_ASSIGN_OR_RETURN(const auto options, options_of(asked));
  Request request;
  request.set_model_name(asked.model);
  const auto parameters = options.find("parameters");
  if (parameters == options.end()) return request;
  if (!parameters->is_object()) {
    return absl::InvalidArgumentError("\"parameters\" must be an object");
  }
  for (const auto& [name, value] : parameters->items()) {
    auto& parameter = (*request.mutable_parameters())[name];
    if (value.is_boolean()) {
      parameter.set_bool_param(value.get<bool>());
    } else if (value.is_number_integer()) {
      parameter.set_int64_param(value.get<int64_t>());
    } else if (value.is_string() && absl::StartsWith(name, "file:")) {
      if (!absl::Base64Unescape(value.get<std::string>(), parameter.mutable_bytes_param())) {
        return absl::InvalidArgumentError(absl::StrCat("\"", name, "\" is no base64"));
      }
    } else if (value.is_string()) {
      parameter.set_string_param(value.get<std::string>());
    } else {
      return absl::InvalidArgumentError(absl::StrCat("parameter \"", name, "\" is ",
                                                     value.type_name(),
                                                     "; it takes a boolean, an integer or a "
                                                     "string"));
    }
  }
  return request;
}

Answer load(Asked& asked) {
  ESPALIER_ASSIGN_OR_RETURN(const auto request,
                            change_request<inference::RepositoryModelLoadRequest>(asked));
  ESPALIER_RETURN_IF_ERROR(asked.protocol.load(asked.model, request));
  return json_response({{"name", asked.model}, {"load", true}});
}

Answer unload(Asked& asked) {
  ESPALIER_ASSIGN_OR_RETURN(const auto request,
                            change_request<inference::RepositoryModelUnloadRequest>(asked));
  ESPALIER_RETURN_IF_ERROR(asked.protocol.unload(asked.model, request));
  return json_response({{"name", asked.model}, {"unload", true}});
}

absl::StatusOr<InferBody> infer_body(const Asked& asked) {
  const RestRequest& request = asked.request;
  if (request.json_size.empty()) return parse_infer_body(request.body, std::nullopt);
  size_t size = 0;
  const char* const end = request.json_size.data() + request.json_size.size();
  const auto [rest, error] = std::from_chars(request.json_size.data(), end, size);
  if (error != std::errc() || rest != end) {
    return absl::InvalidArgumentError(
        absl::StrCat("the header Inference-Header-Content-Length is \"", request.json_size,
                     "\"; it takes the bytes of the body's JSON"));
  }
  if (size > 0) return parse_infer_body(request.body, size);
  ESPALIER_ASSIGN_OR_RETURN(const auto metadata,
                            asked.protocol.model_metadata(asked.model, asked.version));
  return parse_plain_body(request.body, metadata);
}

Answer infer_answer(const inference::ModelInferResponse& response, const OutputForms& forms) {
  ESPALIER_ASSIGN_OR_RETURN(WrittenBody body, write_infer_body(response, forms));
  return RestResponse{
      .body = std::move(body.text),
      .content_type = body.json_size.has_value() ? "application/octet-stream" : "application/json",
      .json_size = body.json_size};
}

CallPtr infer(Asked asked, Done done) {
  auto body = infer_body(asked);
  if (!body.ok()) {
    done(body.status());
    return nullptr;
  }
  body->request.set_model_name(asked.model);
  body->request.set_model_version(asked.version);
  // HTTP carries no deadline: the parameter "timeout" does, and whoever hangs up cancels.
  return asked.protocol.infer(
      std::move(body->request), std::chrono::steady_clock::time_point::max(),
      [forms = std::move(body->forms), done = std::move(done),
       soon = std::move(asked.request.soon)](absl::Status status,
                                             inference::ModelInferResponse response) {
        if (!status.ok()) return done(std::move(status));
        auto write = [forms, done, response = std::move(response)] {
          done(guard("writing an answer as JSON", [&] { return infer_answer(response, forms); }));
        };
        soon ? soon(std::move(write)) : write();
      });
}

template <Answer (*function)(Asked&)>
CallPtr at_once(Asked asked, Done done) {
  done(function(asked));
  return nullptr;
}

template <Answer (*function)(Asked&)>
CallPtr slowly(Asked asked, Done done) {
  const Routes::RunSlowly& run = asked.run_slowly;
  const absl::Status taken = run([asked = std::move(asked), done]() mutable {
    done(guard("a repository call", [&] { return function(asked); }));
  });
  if (!taken.ok()) done(taken);
  return nullptr;
}

struct Route {
  const char* method;  // "*": any
  const char* path;    // {model} and {version} stand for any segment, a last * for any rest
  const char* name;    // in metrics
  CallPtr (*handler)(Asked, Done);
};

// The first that fits wins.
constexpr Route kRoutes[] = {
    {"GET", "v2", "server_metadata", at_once<server_metadata>},
    {"GET", "v2/health/live", "server_live", at_once<live>},
    {"GET", "v2/health/ready", "server_ready", at_once<ready>},
    {"GET", "v2/models/stats", "model_statistics", at_once<statistics>},
    {"GET", "v2/models/{model}", "model_metadata", at_once<model_metadata>},
    {"GET", "v2/models/{model}/ready", "model_ready", at_once<model_ready>},
    {"GET", "v2/models/{model}/config", "model_config", at_once<model_config>},
    {"GET", "v2/models/{model}/stats", "model_statistics", at_once<statistics>},
    {"POST", "v2/models/{model}/infer", "infer", infer},
    {"*", "v2/models/{model}/trace/setting", "unoffered", at_once<unoffered>},
    {"GET", "v2/models/{model}/versions/{version}", "model_metadata", at_once<model_metadata>},
    {"GET", "v2/models/{model}/versions/{version}/ready", "model_ready", at_once<model_ready>},
    {"GET", "v2/models/{model}/versions/{version}/config", "model_config", at_once<model_config>},
    {"GET", "v2/models/{model}/versions/{version}/stats", "model_statistics", at_once<statistics>},
    {"POST", "v2/models/{model}/versions/{version}/infer", "infer", infer},
    {"POST", "v2/repository/index", "repository_index", at_once<repository_index>},
    {"POST", "v2/repository/models/{model}/load", "model_load", slowly<load>},
    {"POST", "v2/repository/models/{model}/unload", "model_unload", slowly<unload>},
    {"*", "v2/trace/setting", "unoffered", at_once<unoffered>},
    {"*", "v2/logging", "unoffered", at_once<unoffered>},
    {"*", "v2/systemsharedmemory/*", "unoffered", at_once<unoffered>},
    {"*", "v2/cudasharedmemory/*", "unoffered", at_once<unoffered>},
};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// "%C3%A9" -> "é"; what is no escape stays.
std::string unescaped(const std::string& text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    const int high = i + 2 < text.size() && text[i] == '%' ? hex_digit(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
    result.push_back(low >= 0 ? static_cast<char>(high * 16 + low) : text[i]);
    if (low >= 0) i += 2;
  }
  return result;
}

// Of a target's path, without its first and last slash and its query.
std::vector<std::string> segments_of(const std::string& target) {
  std::vector<std::string> segments =
      absl::StrSplit(target.substr(0, target.find('?')), '/', absl::AllowEmpty());
  if (!segments.empty() && segments.front().empty()) segments.erase(segments.begin());
  if (!segments.empty() && segments.back().empty()) segments.pop_back();
  return segments;
}

bool fits(const Route& route, std::span<const std::string> segments, Asked& asked) {
  const std::vector<absl::string_view> pattern = absl::StrSplit(route.path, '/');
  const bool open = pattern.back() == "*";
  if (open ? segments.size() < pattern.size() : segments.size() != pattern.size()) return false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == "{model}") {
      asked.model = unescaped(segments[i]);
    } else if (pattern[i] == "{version}") {
      asked.version = unescaped(segments[i]);
    } else if (pattern[i] != segments[i] && pattern[i] != "*") {
      return false;
    }
  }
  return true;
}

// A HEAD is a GET whose answer's body is not sent.
bool takes(const Route& route, const std::string& method) {
  const std::string wanted = route.method;
  return wanted == "*" || wanted == (method == "HEAD" ? "GET" : method);
}

int http_status(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kOk:
      return 200;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kUnimplemented:
      return 501;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kCancelled:
      return 503;
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kDataLoss:
      return 500;
    default:
      return 400;
  }
}

const char* const kNoRoute = "none";

// What is wrong with a path that has no route, or a method that its route does not take.
RestResponse no_route(const RestRequest& request, const std::string& allow) {
  if (allow.empty()) {
    return error_response(
        404,
        "there is nothing at this path; the protocol's calls are below /v2, for example GET "
        "/v2/health/ready or POST /v2/models/NAME/infer");
  }
  RestResponse response =
      error_response(405, absl::StrCat("this path takes ", allow, ", not ", request.method));
  response.allow = allow;
  return response;
}

}  // namespace

RestResponse error_response(int status, const std::string& message) {
  return json_response({{"error", message}}, status);
}

RestResponse error_response(const absl::Status& status) {
  return error_response(http_status(status.code()), std::string(status.message()));
}

Routes::Routes(Protocol& protocol, Metrics& metrics, RunSlowly run_slowly)
    : protocol_(protocol), metrics_(metrics), run_slowly_(std::move(run_slowly)) {}

CallPtr Routes::answer(RestRequest request, Answered answered) const {
  const auto start = std::chrono::steady_clock::now();
  const auto finish = [this, start, answered = std::move(answered)](const char* route,
                                                                    RestResponse response) {
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    metrics_
        .counter("espalier_http_requests_total", "REST requests answered, by route and code.",
                 {{"route", route}, {"code", std::to_string(response.status)}})
        .Increment();
    metrics_
        .histogram("espalier_http_duration_seconds",
                   "Time from a REST request's arrival to its answer.", request_buckets(),
                   {{"route", route}})
        .Observe(seconds.count());
    if (response.status >= 400) {
      spdlog::log(response.status == 500 ? spdlog::level::err : spdlog::level::debug,
                  "REST {}: {} {}", route, response.status, response.body);
    }
    answered(std::move(response));
  };

  const std::vector<std::string> segments = segments_of(request.target);
  std::string allow;
  for (const Route& route : kRoutes) {
    Asked asked{.protocol = protocol_, .run_slowly = run_slowly_};
    if (!fits(route, segments, asked)) continue;
    if (!takes(route, request.method)) {
      allow = route.method == std::string("GET") ? "GET, HEAD" : route.method;
      continue;
    }
    if (!request.content_encoding.empty() && request.content_encoding != "identity") {
      finish(route.name,
             error_response(415, absl::StrCat("the body is encoded as ", request.content_encoding,
                                              "; send it as it is")));
      return nullptr;
    }
    asked.request = std::move(request);
    CallPtr call;
    // What throws has not answered: handlers answer as the last thing they do.
    const absl::Status status = guard(route.name, [&] {
      call = route.handler(std::move(asked), [finish, name = route.name](Answer answer) {
        finish(name, answer.ok() ? *std::move(answer) : error_response(answer.status()));
      });
    });
    if (!status.ok()) finish(route.name, error_response(status));
    return call;
  }
  finish(kNoRoute, no_route(request, allow));
  return nullptr;
}

}  // namespace espalier::server
