#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/post.hpp>

#include "tests/bench/serving/load_driver.h"

namespace espalier::load {
namespace {

// Answers body by body, as soon as it may; `silent` never.
class FakeLane : public Lane {
 public:
  FakeLane(boost::asio::io_context& io, bool silent) : io_(io), silent_(silent) {}
  void ask(const Ask& ask, std::function<void(Result)> done) override {
    if (silent_) return;
    boost::asio::post(
        io_, [ask, done] { done({.outcome = "200", .answered = true, .found = Json(ask.body)}); });
  }

 private:
  boost::asio::io_context& io_;
  const bool silent_;
};

Json drive(const DriveOptions& options, Record& record, bool silent = false) {
  boost::asio::io_context io;
  const std::vector<Body> bodies = {{"{}", 0}, {"{}", 1}, {"{}", 7}};
  Driver driver(
      io, options, bodies, [&] { return std::make_unique<FakeLane>(io, silent); }, record,
      [](bool) {});
  driver.run();
  return record.phase(1, {0, 1});
}

TEST(Phases, AreRatesAndSeconds) {
  const auto phases = parse_phases("300:10,1800:0.5");
  ASSERT_TRUE(phases.ok());
  EXPECT_EQ((*phases)[1].rate, 1800);
  EXPECT_EQ((*phases)[1].seconds, 0.5);
  EXPECT_FALSE(parse_phases("300").ok());
  EXPECT_FALSE(parse_phases("0:10").ok());
}

TEST(Arrivals, ComeAtTheRateOfTheirPhase) {
  Arrivals arrivals({{100, 50}, {1000, 50}}, 1);
  std::vector<int> counts(2);
  double last = 0;
  while (const auto arrival = arrivals.next()) {
    EXPECT_GE(arrival->at, last);
    EXPECT_EQ(arrival->phase, arrival->at < 50 ? 0U : 1U);
    last = arrival->at;
    ++counts[arrival->phase];
  }
  EXPECT_NEAR(counts[0], 5'000, 250);  // five hundredths: 3.5 standard deviations
  EXPECT_NEAR(counts[1], 50'000, 800);
}

TEST(Percentiles, AreValuesThatWereSeen) {
  std::vector<double> values;
  for (int i = 100; i > 0; --i) values.push_back(i);
  const Json found = percentiles(values);
  EXPECT_EQ(found["p50_ms"], 50);
  EXPECT_EQ(found["p99_ms"], 99);
  EXPECT_EQ(found["p99.9_ms"], 100);
}

TEST(Percentiles, OfNothingAreNone) { EXPECT_EQ(percentiles({}), Json({{"count", 0}})); }

TEST(Answers, MatchToATolerance) {
  EXPECT_TRUE(matches(Json({1.0, 2.001}), Json({1, 2}), 0.01));
  EXPECT_FALSE(matches(Json({1.0, 2.1}), Json({1, 2}), 0.01));
  EXPECT_FALSE(matches(Json({1.0}), Json({1, 2}), 0.01));
  EXPECT_FALSE(matches(Json(), Json({1, 2}), 0.01));
}

TEST(Answers, AreFoundByPointer) {
  EXPECT_EQ(value_at(R"({"outputs":[{"data":[3]}]})", "/outputs/0/data"), Json({3}));
  EXPECT_TRUE(value_at(R"({"outputs":[]})", "/outputs/0/data").is_null());
  EXPECT_TRUE(value_at("no JSON", "/outputs").is_null());
}

TEST(Driver, AsksAsOftenAsItWasTold) {
  Record record(false);
  const Json found = drive({.connections = 4, .phases = {{0, 0}, {0, 1}}, .requests = 200}, record);
  EXPECT_EQ(found["outcomes"]["200"]["count"], 200);
}

TEST(Driver, FindsTheAnswerThatIsWrong) {
  Record record(false);
  const Json found = drive({.connections = 1, .phases = {{0, 0}, {0, 1}}, .requests = 30}, record);
  EXPECT_GE(record.mismatches()["count"], 10);  // the third body of three; some while warming up
  EXPECT_EQ(record.mismatches()["first"], "line 3: 2 is not 7");
  EXPECT_EQ(found["good"], 20);
}

TEST(Driver, CountsLatencyFromWhenARequestWasDue) {
  // One lane, whose first request is never answered: the others wait for it.
  Record record(true);
  DriveOptions options{.connections = 1, .phases = {{1000, 0}, {1000, 0.05}}};
  options.drain = std::chrono::milliseconds(50);
  const Json found = drive(options, record, /*silent=*/true);
  EXPECT_EQ(found["outcomes"]["unanswered"]["count"], found["requests"]);
  EXPECT_GE(found["outcomes"]["unanswered"]["p50_ms"], 50);
  EXPECT_EQ(found["good"], 0);
}

}  // namespace
}  // namespace espalier::load
