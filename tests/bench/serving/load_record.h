// What became of the requests of a run.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/base/options.h"
#include "tests/bench/serving/load_schedule.h"

namespace espalier::load {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;

// One request from when it was due to when its fate was known. In an open loop a request may be
// due before it could be sent: its clients did not wait for ours.
struct Done {
  size_t phase = 0;
  TimePoint due, sent, end;
  std::string outcome;  // an HTTP status, a gRPC code, or what became of the connection
  bool good = false;    // answered, and not wrongly
};

// p50, p90, p99, p99.9 and the largest of what is not empty; by rank, nothing in between.
Json percentiles(std::vector<double> values);

class Record {
 public:
  // Keeps every request for write_log() where `logs`.
  explicit Record(bool logs) : logs_(logs) {}

  void add(const Done& done);
  void mismatch(const std::string& what);

  // Of one phase: requests, those answered well a second, and by outcome how many and how long
  // they took. A request belongs to the phase in which it was due.
  Json phase(size_t index, const Phase& phase) const;
  // {"count", "first"} of the answers that were not those expected.
  Json mismatches() const;
  // A line a request: due (s), latency (ms), phase, outcome; the header says so. Due counts from
  // `start`.
  absl::Status write_log(const std::string& path, TimePoint start) const;

 private:
  struct Tally {
    std::map<std::string, std::vector<double>> latencies;  // ms
    std::vector<double> late;                              // ms from due to sent
    size_t good = 0;
  };

  const bool logs_;
  std::map<size_t, Tally> tallies_;  // by phase
  std::vector<Done> log_;
  size_t mismatches_ = 0;
  std::string first_mismatch_;
};

}  // namespace espalier::load
