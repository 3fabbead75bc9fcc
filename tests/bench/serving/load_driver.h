// Keeps requests coming: in a closed loop each of N clients asks again when it is answered, in an
// open loop requests are due by the clock, whether or not earlier ones are answered.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/base/random.h"
#include "tests/bench/serving/load_bodies.h"
#include "tests/bench/serving/load_lane.h"
#include "tests/bench/serving/load_record.h"
#include "tests/bench/serving/load_schedule.h"

namespace espalier::load {

struct DriveOptions {
  int connections = 1;  // closed: clients; open: lanes at most, then requests wait for one
  // The first one warms up: what is due in it counts nowhere. Rates of 0: a closed loop.
  std::vector<Phase> phases;
  int64_t requests = 0;  // closed: stop after so many, however long they take; 0: by the clock
  double cancel = 0, die = 0;                          // shares of the clients
  std::chrono::microseconds longest_patience{20'000};  // of who cancels: anything up to this
  std::chrono::milliseconds drain{30'000};             // for answers after the last request
  uint64_t seed = 1;
  double tolerance = 0;
};

class Driver {
 public:
  // `marks` hears when the first phase that counts begins (true) and when the last one ends.
  Driver(boost::asio::io_context& io, const DriveOptions& options, const std::vector<Body>& bodies,
         std::function<std::unique_ptr<Lane>()> make_lane, Record& record,
         std::function<void(bool)> mark);

  // Returns when every request has its answer, or the time for that is over: the outcome of the
  // rest is "unanswered".
  void run();
  TimePoint start() const { return start_; }

 private:
  struct Asked {
    size_t phase = 0;
    TimePoint due, sent;
  };

  bool open() const { return options_.phases[0].rate > 0; }
  void begin_phase(size_t phase);
  void start_clients();
  void arrive();
  void ask(size_t lane, Asked asked);
  void answered(size_t lane, size_t body, Result result);
  void free(size_t lane, bool rest);
  std::optional<size_t> free_lane();
  void end_asking();
  void leave_if_done();

  boost::asio::io_context& io_;
  const DriveOptions options_;
  const std::vector<Body>& bodies_;
  const std::function<std::unique_ptr<Lane>()> make_lane_;
  Record& record_;
  const std::function<void(bool)> mark_;

  Random random_;
  Arrivals arrivals_;
  std::optional<Arrival> next_;
  TimePoint start_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<std::optional<Asked>> asked_;  // by lane, what it waits for
  std::vector<size_t> free_;                 // the last used first
  std::deque<Asked> waiting_;                // due, without a lane
  size_t phase_ = 0, body_ = 0;
  int64_t sent_ = 0;
  size_t resting_ = 0;
  bool asking_ = true;
  boost::asio::steady_timer clock_, arrival_, drain_;
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> guard_;
};

}  // namespace espalier::load
