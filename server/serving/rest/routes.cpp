#include "server/serving/rest/routes.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <span>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/guard.h"
#include "core/text/utf8.h"
#include "server/serving/rest/message_json.h"
#include "server/serving/rest/rest_calls.h"

namespace espalier::server {
namespace {

using CallPtr = std::shared_ptr<Protocol::Call>;
using rest_calls::Answer;
using rest_calls::Asked;
using rest_calls::Done;

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
    {"GET", "v2", "server_metadata", at_once<rest_calls::server_metadata>},
    {"GET", "v2/health/live", "server_live", at_once<rest_calls::live>},
    {"GET", "v2/health/ready", "server_ready", at_once<rest_calls::ready>},
    {"GET", "v2/models/stats", "model_statistics", at_once<rest_calls::statistics>},
    {"GET", "v2/models/{model}", "model_metadata", at_once<rest_calls::model_metadata>},
    {"GET", "v2/models/{model}/ready", "model_ready", at_once<rest_calls::model_ready>},
    {"GET", "v2/models/{model}/config", "model_config", at_once<rest_calls::model_config>},
    {"GET", "v2/models/{model}/stats", "model_statistics", at_once<rest_calls::statistics>},
    {"POST", "v2/models/{model}/infer", "infer", rest_calls::infer},
    {"*", "v2/models/{model}/trace/setting", "unoffered", at_once<rest_calls::unoffered>},
    {"GET", "v2/models/{model}/versions/{version}", "model_metadata",
     at_once<rest_calls::model_metadata>},
    {"GET", "v2/models/{model}/versions/{version}/ready", "model_ready",
     at_once<rest_calls::model_ready>},
    {"GET", "v2/models/{model}/versions/{version}/config", "model_config",
     at_once<rest_calls::model_config>},
    {"GET", "v2/models/{model}/versions/{version}/stats", "model_statistics",
     at_once<rest_calls::statistics>},
    {"POST", "v2/models/{model}/versions/{version}/infer", "infer", rest_calls::infer},
    {"POST", "v2/repository/index", "repository_index", at_once<rest_calls::repository_index>},
    {"POST", "v2/repository/models/{model}/load", "model_load", slowly<rest_calls::load>},
    {"POST", "v2/repository/models/{model}/unload", "model_unload", slowly<rest_calls::unload>},
    {"*", "v2/trace/setting", "unoffered", at_once<rest_calls::unoffered>},
    {"*", "v2/logging", "unoffered", at_once<rest_calls::unoffered>},
    {"*", "v2/systemsharedmemory/*", "unoffered", at_once<rest_calls::unoffered>},
    {"*", "v2/cudasharedmemory/*", "unoffered", at_once<rest_calls::unoffered>},
};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// "%C3%A9" -> "é"; what is no escape stays, and what is no UTF-8 becomes U+FFFD: names end in
// messages, which are UTF-8.
std::string unescaped(const std::string& text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    const int high = i + 2 < text.size() && text[i] == '%' ? hex_digit(text[i + 1]) : -1;
    const int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
    result.push_back(low >= 0 ? static_cast<char>(high * 16 + low) : text[i]);
    if (low >= 0) i += 2;
  }
  return repair_utf8(result);
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
  return {.status = status, .body = dump({{"error", message}})};
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
