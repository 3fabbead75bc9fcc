#include "core/runtime/turns.h"

#include <gtest/gtest.h>

#include <map>

namespace espalier::runtime {
namespace {

using std::chrono::milliseconds;

class Nothing : public WorkSource {
 public:
  Step step() override { return {}; }
};

// Sources that always have work, each of steps of one length.
class TurnsTest : public testing::Test {
 protected:
  TurnsTest() {
    for (WorkSource* source : {&a, &b}) turns.add(source);
  }
  // One step of whoever's turn it is; null when nobody's.
  WorkSource* turn() {
    WorkSource* source = turns.next(now);
    if (source != nullptr) turns.done(source, {.worked = true}, length[source]);
    return source;
  }

  TimePoint now = TimePoint{} + std::chrono::hours(1);
  Turns turns;
  Nothing a, b;
  std::map<WorkSource*, Duration> length{{&a, milliseconds(1)}, {&b, milliseconds(1)}};
};

TEST_F(TurnsTest, AreNobodysUntilSomebodyWakes) {
  EXPECT_EQ(turn(), nullptr);
  turns.wake(&b);
  EXPECT_EQ(turn(), &b);
}

TEST_F(TurnsTest, GiveEqualTimeToStepsOfAnyLength) {
  length[&a] = milliseconds(9);
  turns.wake(&a);
  turns.wake(&b);
  std::map<WorkSource*, int> steps;
  for (int i = 0; i < 100; ++i) ++steps[turn()];
  EXPECT_EQ(steps[&a], 10);
  EXPECT_EQ(steps[&b], 90);
}

TEST_F(TurnsTest, AreNextForWhoWasIdleButNoSavingsOfIt) {
  turns.wake(&a);
  for (int i = 0; i < 50; ++i) turn();
  turns.wake(&b);
  std::map<WorkSource*, int> steps;
  for (int i = 0; i < 20; ++i) ++steps[turn()];
  EXPECT_EQ(steps[&a], 10);
  EXPECT_EQ(steps[&b], 10);
}

TEST_F(TurnsTest, OfASourceThatRunsAreNotGivenTwice) {
  turns.wake(&a);
  EXPECT_EQ(turns.next(now), &a);
  turns.wake(&a);
  EXPECT_EQ(turns.next(now), nullptr);
  EXPECT_TRUE(turns.running(&a));
  turns.done(&a, {}, {});  // found nothing, but was woken meanwhile
  EXPECT_EQ(turns.next(now), &a);
}

TEST_F(TurnsTest, ComeBackWhenASourceAskedForIt) {
  turns.wake(&a);
  turns.done(turns.next(now), {.wait_until = now + milliseconds(2)}, {});
  EXPECT_EQ(turns.next(now), nullptr);
  EXPECT_EQ(turns.wait_until(), now + milliseconds(2));
  now += milliseconds(2);
  EXPECT_EQ(turns.next(now), &a);
  EXPECT_FALSE(turns.wait_until().has_value());
}

TEST_F(TurnsTest, OfWhoLeftPassToTheOthers) {
  turns.wake(&a);
  turns.wake(&b);
  turns.remove(&a);
  EXPECT_EQ(turn(), &b);
  turns.remove(&b);
  EXPECT_TRUE(turns.empty());
}

}  // namespace
}  // namespace espalier::runtime
