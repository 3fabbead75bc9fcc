// The protocol's REST calls, from a method and a path to an answer; no sockets.
//
// Statuses as Triton maps them: NOT_FOUND 404, INTERNAL 500, UNIMPLEMENTED 501, UNAVAILABLE 503,
// what the caller did wrong 400; a path that is none 404, a wrong method 405. Where we differ: what
// ran out of time, memory or patience is 503 and no 400, because the request was not wrong; a
// server or model that is not ready is 503, and health answers have a body (KServe's client reads
// it). Versions in paths are any alias or artifact id, not digits only.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "server/common/metrics.h"
#include "server/serving/protocol.h"

namespace espalier::server {

struct RestRequest {
  std::string method;            // "GET"
  std::string target;            // "/v2/models/m?x=y"
  std::string json_size;         // header Inference-Header-Content-Length; empty without one
  std::string content_encoding;  // header of that name
  std::string body;
  // Runs a function soon and elsewhere; empty: at once. For what is left to do when a model's own
  // thread, which should be computing, brings the answer.
  std::function<void(std::function<void()>)> soon;
};

struct RestResponse {
  int status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::optional<size_t> json_size;  // header Inference-Header-Content-Length
  std::string allow;                // header of that name, of a 405
};

// {"error": "..."}, the one form of error that clients of the protocol read.
RestResponse error_response(int status, const std::string& message);
RestResponse error_response(const absl::Status& status);

class Routes {
 public:
  using Answered = std::function<void(RestResponse)>;
  // Runs a function that may take minutes, on another thread; or drops it and says why.
  using RunSlowly = std::function<absl::Status(std::function<void()>)>;

  Routes(Protocol& protocol, Metrics& metrics, RunSlowly run_slowly);

  // Calls `answered` once, on any thread, possibly before it returns. The call, if there is one, is
  // to be kept until then: without it the request is cancelled. Thread-safe. Counts
  // espalier_http_requests_total{route,code} and espalier_http_duration_seconds{route}.
  std::shared_ptr<Protocol::Call> answer(RestRequest request, Answered answered) const;

 private:
  Protocol& protocol_;
  Metrics& metrics_;
  const RunSlowly run_slowly_;
};

}  // namespace espalier::server
