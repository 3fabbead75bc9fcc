#include "tests/bench/serving/load_driver.h"

#include <boost/asio/post.hpp>
#include <utility>

namespace espalier::load {
namespace {

// Of a client whom nobody listens to; others do not wait for each other.
constexpr std::chrono::milliseconds kRest{20};

Clock::duration duration_of(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

Driver::Driver(boost::asio::io_context& io, const DriveOptions& options,
               const std::vector<Body>& bodies, std::function<std::unique_ptr<Lane>()> make_lane,
               Record& record, std::function<void(bool)> mark)
    : io_(io),
      options_(options),
      bodies_(bodies),
      make_lane_(std::move(make_lane)),
      record_(record),
      mark_(std::move(mark)),
      random_(derive_seed(options.seed, "clients", 0, 0, "fate")),
      arrivals_(options.phases, derive_seed(options.seed, "clients", 0, 0, "arrivals")),
      clock_(io),
      arrival_(io),
      drain_(io) {}

void Driver::run() {
  guard_.emplace(io_.get_executor());
  start_ = Clock::now();
  begin_phase(0);
  if (open()) {
    next_ = arrivals_.next();
    arrive();
  } else {
    start_clients();
  }
  io_.run();
  lanes_.clear();
}

void Driver::begin_phase(size_t phase) {
  phase_ = phase;
  if (phase == 1) mark_(true);
  if (phase == options_.phases.size()) return end_asking();
  if (phase > 0 && options_.requests > 0) return;  // the clients end it
  double end = 0;
  for (size_t i = 0; i <= phase; ++i) end += options_.phases[i].seconds;
  clock_.expires_at(start_ + duration_of(end));
  clock_.async_wait([this](boost::system::error_code error) {
    if (!error) begin_phase(phase_ + 1);
  });
}

void Driver::start_clients() {
  for (int i = 0; i < options_.connections; ++i) {
    lanes_.push_back(make_lane_());
    asked_.emplace_back();
  }
  const TimePoint now = Clock::now();
  for (size_t lane = 0; lane < lanes_.size(); ++lane) ask(lane, {phase_, now, now});
}

void Driver::arrive() {
  const TimePoint now = Clock::now();
  for (; asking_ && next_ && start_ + duration_of(next_->at) <= now; next_ = arrivals_.next()) {
    waiting_.push_back({next_->phase, start_ + duration_of(next_->at), now});
    if (const auto lane = free_lane()) {
      ask(*lane, waiting_.front());
      waiting_.pop_front();
    }
  }
  if (!asking_ || !next_) return;
  arrival_.expires_at(start_ + duration_of(next_->at));
  arrival_.async_wait([this](boost::system::error_code error) {
    if (!error) arrive();
  });
}

std::optional<size_t> Driver::free_lane() {
  if (!free_.empty()) {
    const size_t lane = free_.back();
    free_.pop_back();
    return lane;
  }
  if (lanes_.size() >= static_cast<size_t>(options_.connections)) return std::nullopt;
  lanes_.push_back(make_lane_());
  asked_.emplace_back();
  return lanes_.size() - 1;
}

void Driver::ask(size_t lane, Asked asked) {
  asked.sent = Clock::now();
  asked_[lane] = asked;
  Ask what{.body = body_};
  body_ = (body_ + 1) % bodies_.size();
  const double fate = random_.uniform();
  if (fate < options_.die) {
    what.fate = Fate::kDie;
  } else if (fate < options_.die + options_.cancel) {
    what.fate = Fate::kCancel;
    what.patience = std::chrono::microseconds(
        random_.below(static_cast<uint64_t>(options_.longest_patience.count()) + 1));
  }
  if (phase_ > 0) ++sent_;
  if (options_.requests > 0 && sent_ >= options_.requests && asking_) begin_phase(2);
  lanes_[lane]->ask(what, [this, lane, body = what.body](Result result) {
    answered(lane, body, std::move(result));
  });
}

void Driver::answered(size_t lane, size_t body, Result result) {
  const Asked asked = *std::exchange(asked_[lane], std::nullopt);
  const Json& expected = bodies_[body].expected;
  const bool right = expected.is_null() || matches(result.found, expected, options_.tolerance);
  if (result.answered && !right) {
    record_.mismatch("line " + std::to_string(body + 1) + ": " + result.found.dump() + " is not " +
                     expected.dump());
  }
  if (asked.phase > 0) {
    record_.add({asked.phase, asked.due, asked.sent, Clock::now(), std::move(result.outcome),
                 result.answered && right});
  }
  free(lane, result.no_server && !open());
}

void Driver::free(size_t lane, bool rest) {
  if (rest && asking_) {
    ++resting_;
    auto timer = std::make_shared<boost::asio::steady_timer>(io_, kRest);
    timer->async_wait([this, lane, timer](boost::system::error_code) {
      --resting_;
      free(lane, false);
    });
  } else if (open() && !waiting_.empty()) {
    const Asked next = waiting_.front();
    waiting_.pop_front();
    ask(lane, next);
  } else if (!open() && asking_) {
    const TimePoint now = Clock::now();
    ask(lane, {phase_, now, now});
  } else {
    free_.push_back(lane);
    leave_if_done();
  }
}

void Driver::end_asking() {
  asking_ = false;
  mark_(false);
  clock_.cancel();
  arrival_.cancel();
  drain_.expires_after(options_.drain);
  drain_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    const TimePoint now = Clock::now();
    for (const auto& asked : asked_)
      if (asked && asked->phase > 0)
        record_.add({asked->phase, asked->due, asked->sent, now, "unanswered", false});
    for (const Asked& asked : waiting_)
      if (asked.phase > 0) record_.add({asked.phase, asked.due, now, now, "unanswered", false});
    io_.stop();
  });
  boost::asio::post(io_, [this] { leave_if_done(); });
}

void Driver::leave_if_done() {
  if (asking_ || resting_ > 0 || !waiting_.empty()) return;
  for (const auto& asked : asked_)
    if (asked) return;
  drain_.cancel();
  guard_.reset();
}

}  // namespace espalier::load
