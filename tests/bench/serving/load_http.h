// Lanes over HTTP/1.1: one connection each, kept open between requests.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/bench/serving/load_bodies.h"
#include "tests/bench/serving/load_lane.h"

namespace espalier::load {

struct HttpTarget {
  std::string address;  // host:port
  std::string path;
  std::string pointer;  // of what is compared in an answer
  std::chrono::milliseconds timeout{60'000};
};

// Outcomes: an answer's status, "timeout", "cancelled", "died", "connection lost" (no answer, the
// server closed or reset it), "no connection". Requests are written once, here.
class HttpLanes {
 public:
  static absl::StatusOr<std::unique_ptr<HttpLanes>> make(boost::asio::io_context& io,
                                                         const HttpTarget& target,
                                                         const std::vector<Body>& bodies);
  ~HttpLanes();
  std::unique_ptr<Lane> lane();  // not to outlive this
  size_t connects() const;       // connections that were made

  struct Shared;

 private:
  explicit HttpLanes(std::unique_ptr<Shared> shared);
  std::unique_ptr<Shared> shared_;
};

}  // namespace espalier::load
