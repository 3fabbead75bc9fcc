// Lanes over gRPC: the same bodies as ModelInfer requests, one call at a time a lane.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/bench/serving/load_bodies.h"
#include "tests/bench/serving/load_lane.h"

namespace espalier::load {

struct GrpcTarget {
  std::string address;  // host:port
  std::string model;
  int channels = 0;  // connections that the lanes share; 0: each its own
  std::chrono::milliseconds timeout{60'000};
};

// Outcomes: a call's code ("OK", "UNAVAILABLE"), "timeout" (ours), "cancelled", "died". What is
// compared is the first output's tensor, as a flat array. One thread beside the I/O's waits for
// gRPC and hands over what it hears. A client that dies is a call that is reset, over a connection
// that is closed then.
class GrpcLanes {
 public:
  static absl::StatusOr<std::unique_ptr<GrpcLanes>> make(boost::asio::io_context& io,
                                                         const GrpcTarget& target,
                                                         const std::vector<Body>& bodies);
  ~GrpcLanes();  // after the lanes
  std::unique_ptr<Lane> lane();

  struct Shared;

 private:
  explicit GrpcLanes(std::unique_ptr<Shared> shared);
  std::unique_ptr<Shared> shared_;
};

}  // namespace espalier::load
