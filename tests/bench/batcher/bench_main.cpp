// espalier-bench-batcher [FIXED_US TOKEN_US [SECONDS]]: the batcher under load against an engine
// that takes so many microseconds a batch and a token, give or take a tenth, in simulated time.
// Requests are single sentences of about 25 tokens. Prints JSON.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <iostream>
#include <random>

#include "core/base/options.h"
#include "tests/testing/batcher_simulation.h"

namespace {

using espalier::Json;
using espalier::runtime::BatcherOptions;
using espalier::runtime::Duration;
using espalier::runtime::TimePoint;
using espalier::testing::BatcherSimulation;
using espalier::testing::SimulatedOutcome;
using espalier::testing::SimulatedRequest;
using std::chrono::milliseconds;

struct Setting {
  double fixed_us = 2000, token_us = 30;
  double seconds = 20;  // of traffic in each measurement
};

double seconds(Duration duration) { return std::chrono::duration<double>(duration).count(); }
Duration duration(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

// Traffic onto a simulation, and what came of it.
class Load {
 public:
  explicit Load(const Setting& setting) : setting_(setting) {}

  size_t add_model(const BatcherOptions& options = {}) {
    return simulation_.add_model(options, [this](int64_t tokens) {
      const double exact = setting_.fixed_us + setting_.token_us * static_cast<double>(tokens);
      return duration(exact * 1e-6 * std::uniform_real_distribution(0.9, 1.1)(random_));
    });
  }
  int sentence() {  // as long as those of SST-2, about
    return std::clamp(static_cast<int>(std::lognormal_distribution(3.1, 0.5)(random_)), 3, 66);
  }

  // Requests at random, `rate` a second from `from` on for some seconds.
  void open(double rate, double from, double length, SimulatedRequest like = {}, int kind = 0) {
    std::exponential_distribution<double> gap(rate);
    for (double time = from + gap(random_); time < from + length; time += gap(random_)) {
      like.tokens = {sentence()};
      simulation_.at(begin_ + duration(time), [this, like, kind] { ask(like, kind); });
    }
  }
  // Clients that ask again `pause` after each answer.
  void closed(int clients, double pause, double length) {
    for (int i = 0; i < clients; ++i) again(pause * i / clients, pause, length);
  }
  void run() { simulation_.run(); }

  // What was asked from one second to another, of one kind.
  Json outcome(double from, double to, int kind = 0) const {
    std::vector<double> latencies;
    int asked = 0, answered = 0, refused = 0, dropped = 0;
    for (size_t id = 0; id < simulation_.outcomes.size(); ++id) {
      const SimulatedOutcome& outcome = simulation_.outcomes[id];
      const double at = seconds(outcome.asked - begin_);
      if (kinds_[id] != kind) continue;
      const double end = seconds(outcome.answered - begin_);
      const bool ok = outcome.code == absl::StatusCode::kOk;
      if (ok && end >= from && end < to) ++answered;
      if (at < from || at >= to) continue;
      ++asked;
      if (!outcome.accepted)
        ++refused;
      else if (!ok)
        ++dropped;
      else
        latencies.push_back(seconds(outcome.answered - outcome.asked) * 1e3);
    }
    std::sort(latencies.begin(), latencies.end());
    const auto quantile = [&](double share) {
      if (latencies.empty()) return 0.0;
      const double index = share * static_cast<double>(latencies.size() - 1);
      return std::round(latencies[static_cast<size_t>(index)] * 100) / 100;
    };
    const auto share = [&](int count) {
      return std::round(1e4 * count / std::max(asked, 1)) / 1e4;
    };
    return {{"asked_a_second", std::round(asked / (to - from))},
            {"answered_a_second", std::round(answered / (to - from))},
            {"p50_ms", quantile(0.5)},
            {"p99_ms", quantile(0.99)},
            {"refused", share(refused)},
            {"dropped", share(dropped)},
            {"rows_a_batch", rows_a_batch(from, to)}};
  }
  // Seconds after `from` from which on a tenth of a second's slowest answer stays below `limit_ms`.
  double settled(double from, double to, double limit_ms) const {
    double settled = from;
    for (const SimulatedOutcome& outcome : simulation_.outcomes) {
      const double at = seconds(outcome.asked - begin_);
      const bool slow =
          !outcome.accepted || seconds(outcome.answered - outcome.asked) * 1e3 > limit_ms;
      if (at >= from && at < to && slow) settled = at;
    }
    return std::round((settled - from) * 1e3) / 1e3;
  }

 private:
  void ask(const SimulatedRequest& request, int kind, BatcherSimulation::Then then = nullptr) {
    kinds_.push_back(kind);
    simulation_.ask(request, std::move(then));
  }
  void again(double time, double pause, double length) {
    if (time > length) return;
    simulation_.at(begin_ + duration(time), [=, this] {
      ask({.tokens = {sentence()}}, 0, [=, this](const SimulatedOutcome& outcome) {
        again(seconds(outcome.answered - begin_) + pause, pause, length);
      });
    });
  }
  double rows_a_batch(double from, double to) const {
    double rows = 0, batches = 0;
    for (const auto& batch : simulation_.batches) {
      const double at = seconds(batch.start - begin_);
      if (at < from || at >= to) continue;
      rows += static_cast<double>(batch.rows.size());
      ++batches;
    }
    return std::round(10 * rows / std::max(batches, 1.0)) / 10;
  }

  const Setting setting_;
  std::mt19937 random_{7};
  BatcherSimulation simulation_;
  std::vector<int> kinds_;  // by outcome
  const TimePoint begin_ = simulation_.now();
};

constexpr double kWarmUp = 2;

Json open_loop(const Setting& setting, double rate, const BatcherOptions& options = {},
               const SimulatedRequest& like = {}) {
  Load load(setting);
  load.add_model(options);
  load.open(rate, 0, kWarmUp + setting.seconds, like);
  load.run();
  return load.outcome(kWarmUp, kWarmUp + setting.seconds);
}

Json closed_loop(const Setting& setting, int clients, const BatcherOptions& options = {}) {
  Load load(setting);
  load.add_model(options);
  load.closed(clients, 0.0005, kWarmUp + setting.seconds);
  load.run();
  return load.outcome(kWarmUp, kWarmUp + setting.seconds);
}

// Three times the capacity for five seconds, then half of it.
Json recovery(const Setting& setting, double capacity) {
  const double calm = open_loop(setting, 0.5 * capacity)["p99_ms"];
  Load load(setting);
  load.add_model();
  load.open(3 * capacity, 0, 5);
  load.open(0.5 * capacity, 5, 10);
  load.run();
  return {{"p99_ms_at_half", calm},
          {"seconds_until_under_twice_that", load.settled(5, 15, 2 * calm)}};
}

// One request in ten has priority 1, at three times the capacity.
Json priorities(const Setting& setting, double capacity) {
  Load load(setting);
  load.add_model();
  load.open(0.3 * capacity, 0, kWarmUp + setting.seconds, {.priority = 1}, 1);
  load.open(2.7 * capacity, 0, kWarmUp + setting.seconds);
  load.run();
  return {{"priority_1", load.outcome(kWarmUp, kWarmUp + setting.seconds, 1)},
          {"none", load.outcome(kWarmUp, kWarmUp + setting.seconds)}};
}

// A model at three times the capacity beside one at a tenth of it.
Json two_models(const Setting& setting, double capacity) {
  Load load(setting);
  const size_t busy = load.add_model(), quiet = load.add_model();
  load.open(3 * capacity, 0, kWarmUp + setting.seconds, {.model = busy});
  load.open(0.1 * capacity, 0, kWarmUp + setting.seconds, {.model = quiet}, 1);
  load.run();
  return {{"busy", load.outcome(kWarmUp, kWarmUp + setting.seconds)},
          {"quiet", load.outcome(kWarmUp, kWarmUp + setting.seconds, 1)}};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 || argc > 4) {
    std::cerr << "usage: espalier-bench-batcher [FIXED_US TOKEN_US [SECONDS]]\n";
    return 2;
  }
  Setting setting;
  if (argc > 2) setting.fixed_us = std::atof(argv[1]), setting.token_us = std::atof(argv[2]);
  if (argc > 3) setting.seconds = std::atof(argv[3]);

  // The most that clients who never pause can get.
  const double capacity = closed_loop(setting, 256)["answered_a_second"];
  const BatcherOptions patient{.limits = {.max_wait = std::chrono::hours(1)}};
  const BatcherOptions hasty{.limits = {.max_linger = Duration::zero()}};
  const SimulatedRequest hurried{.timeout = milliseconds(200)};
  Json out = {{"fixed_us", setting.fixed_us},
              {"token_us", setting.token_us},
              {"seconds", setting.seconds},
              {"capacity_a_second", capacity}};
  for (const char* times : {"0.5", "0.8", "1", "3"}) {
    const double rate = std::atof(times) * capacity;
    out["open"][times] = open_loop(setting, rate);
    out["open_200_ms_deadline"][times] = open_loop(setting, rate, {}, hurried);
    out["open_without_refusal_by_wait"][times] = open_loop(setting, rate, patient);
  }
  for (int clients : {1, 2, 8, 32, 128}) {
    const std::string name = std::to_string(clients);
    out["closed"][name] = closed_loop(setting, clients);
    out["closed_without_linger"][name] = closed_loop(setting, clients, hasty);
  }
  out["recovery"] = recovery(setting, capacity);
  out["priorities_at_3"] = priorities(setting, capacity);
  out["two_models"] = two_models(setting, capacity);
  std::cout << out.dump(1) << "\n";
  return 0;
}
