// Sends progress from a thread of its own, so that training never waits for the network. While
// espalierd is slow or away, what was not sent is coalesced: the latest figures and all phase
// changes stay.
#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "core/job/compress.h"
#include "server/worker/held_lease.h"

namespace espalier::server {

class ProgressReporter {
 public:
  explicit ProgressReporter(HeldLease& lease);
  // finish().
  ~ProgressReporter();

  void report(const JobProgress& progress);
  // Sends what is left, if espalierd answers, and ends.
  void finish();

 private:
  // The next report to send; false when finished and nothing is left.
  bool take(wire::ReportProgressRequest& request);
  // Puts one back that could not be sent, unless newer figures make it worthless.
  void put_back(wire::ReportProgressRequest request);
  void run();

  HeldLease& lease_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<wire::ReportProgressRequest> waiting_;
  std::chrono::steady_clock::time_point last_event_{};
  bool finished_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace espalier::server
