#include "core/runtime/service_rate.h"

#include <gtest/gtest.h>

namespace espalier::runtime {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

double us(Duration duration) { return std::chrono::duration<double, std::micro>(duration).count(); }

TEST(ServiceRate, KnowsNothingBeforeTheFirstBatch) {
  const ServiceRate rate;
  EXPECT_FALSE(rate.known());
  EXPECT_EQ(rate.compute(1000), Duration::zero());
  EXPECT_GT(rate.tokens_within(milliseconds(1)), 1'000'000);
  EXPECT_EQ(rate.stretch(), 1);
}

TEST(ServiceRate, TellsTheFixedPartFromThatOfATokenWhereBatchesDiffer) {
  ServiceRate rate;  // 3 ms and 20 us a token
  for (int tokens : {10, 500, 2000, 30, 1000}) {
    rate.learn(tokens, milliseconds(3) + microseconds(20 * tokens), {});
  }
  EXPECT_NEAR(us(rate.fixed()), 3000, 300);
  EXPECT_NEAR(us(rate.compute(1000)), 23'000, 500);
  EXPECT_NEAR(static_cast<double>(rate.tokens_within(milliseconds(23))), 1000, 30);
}

TEST(ServiceRate, CallsBatchesThatAreAllAlikeAMatterOfTheirTokens) {
  ServiceRate rate;
  for (int i = 0; i < 20; ++i) rate.learn(100, milliseconds(2), {});
  EXPECT_NEAR(us(rate.fixed()), 0, 1);
  EXPECT_NEAR(us(rate.compute(100)), 2000, 1);
  EXPECT_NEAR(us(rate.compute(1000)), 20'000, 10);
}

TEST(ServiceRate, NeverPromisesMoreThanTenTimesWhatItSaw) {
  ServiceRate rate;  // the larger, the quicker: noise
  for (int tokens : {90, 100, 110}) rate.learn(tokens, microseconds(3000 - 10 * tokens), {});
  EXPECT_GE(us(rate.compute(10'000)), 0.09 * 20 * 10'000);
}

TEST(ServiceRate, ForgetsHowItWasAHundredBatchesAgo) {
  ServiceRate rate;
  for (int i = 0; i < 50; ++i) rate.learn(100, milliseconds(50), {});
  for (int i = 0; i < 150; ++i) rate.learn(100, milliseconds(2), {});
  EXPECT_NEAR(us(rate.compute(100)), 2000, 600);
}

// The machine stood still for ten seconds; nobody with a deadline is to pay for it for long.
TEST(ServiceRate, TakesAStallForFourTimesTheUsualAndNoMore) {
  ServiceRate rate;
  for (int i = 0; i < 100; ++i) rate.learn(100, milliseconds(2), milliseconds(2));
  rate.learn(100, std::chrono::seconds(10), std::chrono::seconds(10));
  EXPECT_LE(us(rate.compute(100)), 2300);
  EXPECT_EQ(rate.stretch(), 1);
}

TEST(ServiceRate, LearnsASlownessThatLasts) {
  ServiceRate rate;
  for (int i = 0; i < 100; ++i) rate.learn(100, milliseconds(2), {});
  for (int i = 0; i < 100; ++i) rate.learn(100, milliseconds(40), {});
  EXPECT_NEAR(us(rate.compute(100)), 40'000, 6000);
}

TEST(ServiceRate, StretchesWhereOthersTakeTurns) {
  ServiceRate rate;
  rate.learn(100, milliseconds(2), milliseconds(6));
  EXPECT_EQ(rate.stretch(), 3);
}

TEST(ServiceRate, TakesAtLeastOneTokenHoweverShortTheTime) {
  ServiceRate rate;
  rate.learn(100, milliseconds(2), {});
  EXPECT_EQ(rate.tokens_within(microseconds(1)), 1);
}

}  // namespace
}  // namespace espalier::runtime
