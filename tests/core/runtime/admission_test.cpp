#include "core/runtime/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

namespace espalier::runtime {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;

const TimePoint kNow = TimePoint{} + std::chrono::hours(1);

// A queue in words: Queue().add({3, 4}).add({5}).cancelled().
class Queue {
 public:
  Queue& add(std::vector<int> tokens) {
    tokens_.push_back(std::move(tokens));
    waiting_.push_back({tokens_.back()});
    return *this;
  }
  Queue& cancelled() {
    waiting_.back().cancelled = true;
    return *this;
  }
  Queue& until(TimePoint deadline) {
    waiting_.back().deadline = deadline;
    return *this;
  }
  Admission admit(const BatchLimits& limits = {}, const Load& load = {},
                  TimePoint now = kNow) const {
    return runtime::admit(waiting_, load, limits, now);
  }

 private:
  std::deque<std::vector<int>> tokens_;
  std::vector<Waiting> waiting_;
};

TEST(Admission, AnEmptyQueueGivesNothingToDo) {
  const Admission admission = Queue().admit();
  EXPECT_THAT(admission.batch, IsEmpty());
  EXPECT_FALSE(admission.wait_until.has_value());
}

TEST(Admission, TakesEverythingThatFitsOldestFirst) {
  EXPECT_THAT(Queue().add({3, 4}).add({5}).admit().batch, ElementsAre(Slice{0, 2}, Slice{1, 1}));
}

TEST(Admission, StopsAtTheRowLimitInTheMiddleOfARequest) {
  EXPECT_THAT(Queue().add({1}).add({1, 1, 1}).admit({.rows = 3}).batch,
              ElementsAre(Slice{0, 1}, Slice{1, 2}));
}

TEST(Admission, StopsAtTheTokenBudget) {
  EXPECT_THAT(Queue().add({6}).add({4}).add({1}).admit({.tokens = 10}).batch,
              ElementsAre(Slice{0, 1}, Slice{1, 1}));
}

TEST(Admission, NothingOvertakesARowThatDoesNotFit) {
  EXPECT_THAT(Queue().add({6}).add({9}).add({1}).admit({.tokens = 10}).batch,
              ElementsAre(Slice{0, 1}));
}

TEST(Admission, ARowAboveTheBudgetRunsAlone) {
  EXPECT_THAT(Queue().add({50}).add({1}).admit({.tokens = 10}).batch, ElementsAre(Slice{0, 1}));
}

TEST(Admission, DropsWhatIsCancelledOrLateWithoutSpendingBudgetOnIt) {
  const Admission admission =
      Queue().add({9}).cancelled().add({9}).until(kNow).add({9}).admit({.tokens = 9});
  EXPECT_THAT(admission.cancelled, ElementsAre(0));
  EXPECT_THAT(admission.expired, ElementsAre(1));
  EXPECT_THAT(admission.batch, ElementsAre(Slice{2, 1}));
}

TEST(Admission, FindsWhatIsCancelledBehindAFullBatch) {
  const Admission admission = Queue().add({9}).add({9}).add({9}).cancelled().admit({.tokens = 9});
  EXPECT_THAT(admission.cancelled, ElementsAre(2));
  EXPECT_THAT(admission.batch, ElementsAre(Slice{0, 1}));
}

// An engine that was measured: a fixed part, and microseconds a token.
Load measured(Duration fixed, int us_a_token, int requests = 1, TimePoint end = kNow) {
  Load load{.requests = requests, .end = end};
  for (int tokens : {1, 100, 1000}) {
    const Duration compute = fixed + microseconds(us_a_token * tokens);
    load.rate.learn(tokens, compute, compute);
  }
  return load;
}

TEST(Admission, TakesNoMoreThanAQuarterOfTheLongestWait) {
  const BatchLimits limits{.tokens = 1000, .max_wait = milliseconds(40)};
  const Load load = measured({}, 100);
  EXPECT_THAT(Queue().add({60, 40, 1}).admit(limits, load).batch, ElementsAre(Slice{0, 2}));
  EXPECT_THAT(Queue().add({200}).admit(limits, load).batch, ElementsAre(Slice{0, 1}));
}

TEST(Admission, DropsWhatCannotBeReadyInTime) {
  const Admission admission = Queue()
                                  .add({20})
                                  .add({10})
                                  .until(kNow + microseconds(2900))
                                  .add({5})
                                  .admit({}, measured({}, 100));
  EXPECT_THAT(admission.late, ElementsAre(1));
  EXPECT_THAT(admission.batch, ElementsAre(Slice{0, 1}, Slice{2, 1}));
}

TEST(Admission, AddsNothingThatWouldMakeTheOthersLate) {
  EXPECT_THAT(Queue()
                  .add({20})
                  .until(kNow + microseconds(2500))
                  .add({4, 4})
                  .admit({}, measured({}, 100))
                  .batch,
              ElementsAre(Slice{0, 1}, Slice{1, 1}));
}

TEST(Admission, KeepsBatchesFullWhereMoreWaitsThanTheyHold) {
  const Admission admission = Queue()
                                  .add({10})
                                  .until(kNow + milliseconds(2))
                                  .add({20})
                                  .add({20})
                                  .admit({.tokens = 35}, measured({}, 100));
  EXPECT_THAT(admission.late, ElementsAre(0));
  EXPECT_THAT(admission.batch, ElementsAre(Slice{1, 1}));
}

TEST(Admission, TriesOneWhenTheMeasuredRateIsOld) {
  const Load old = measured({}, 100, 1, kNow - std::chrono::seconds(1));
  const Admission admission = Queue().add({20}).until(kNow + milliseconds(1)).admit({}, old);
  EXPECT_THAT(admission.late, IsEmpty());
  EXPECT_THAT(admission.batch, ElementsAre(Slice{0, 1}));
}

// By the rate it takes 100 ms; only who is tried can show that this is no longer so.
TEST(Admission, TriesOneASecondOfWhatSeemsLate) {
  Load load = measured({}, 100);
  const auto asked = [&] {
    return Queue()
        .add({1000})
        .until(kNow + milliseconds(10))
        .add({1000})
        .until(kNow + milliseconds(10))
        .admit({}, load);
  };
  EXPECT_THAT(asked().late, ElementsAre(0, 1));
  load.late_since = kNow - milliseconds(900);
  EXPECT_THAT(asked().late, ElementsAre(0, 1));
  EXPECT_FALSE(asked().tried);
  load.late_since = kNow - milliseconds(1000);
  EXPECT_TRUE(asked().tried);
  EXPECT_THAT(asked().batch, ElementsAre(Slice{0, 1}));
  EXPECT_THAT(asked().late, ElementsAre(1));
}

TEST(Place, IsTheOrderOfArrivalWithinAPriority) {
  EXPECT_LT(place_in_queue(kNow, 3), place_in_queue(kNow + microseconds(1), 3));
}

TEST(Place, OfAHigherPriorityIsEarlierAndOfNoneTheLast) {
  for (int priority = 1; priority < kPriorities; ++priority) {
    EXPECT_LT(place_in_queue(kNow, priority), place_in_queue(kNow, priority + 1));
  }
  EXPECT_LT(place_in_queue(kNow, 1'000'000), place_in_queue(kNow, 0));
}

TEST(Place, AgesSoThatNobodyIsOvertakenForEver) {
  EXPECT_LE(place_in_queue(kNow, 0), place_in_queue(kNow + kPriorities * kHeadStart, 1));
}

TEST(FirstBatch, IsWhatOneOfRowsAndTokensHolds) {
  const std::vector<int> tokens = {6, 4, 5, 1};
  EXPECT_EQ(first_batch(tokens, {}, {}), (Share{4, 16}));
  EXPECT_EQ(first_batch(tokens, {}, {.rows = 3}), (Share{3, 15}));
  EXPECT_EQ(first_batch(tokens, {}, {.tokens = 10}), (Share{2, 10}));
  EXPECT_EQ(first_batch(tokens, {}, {.tokens = 5}), (Share{1, 6}));
  EXPECT_EQ(first_batch({}, {}, {}), Share{});
}

TEST(FirstBatch, TakesNoMoreThanAQuarterOfTheLongestWait) {
  const std::vector<int> tokens = {60, 40, 1};
  EXPECT_EQ(first_batch(tokens, measured({}, 100), {.max_wait = milliseconds(40)}),
            (Share{2, 100}));
}

double ms(Duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }

TEST(Expectation, IsToStartAtOnceBehindNobodyAndBeforeAnythingWasMeasured) {
  EXPECT_EQ(expect({}, 10, measured(milliseconds(5), 100), {}, kNow).start, Duration::zero());
  EXPECT_EQ(expect({9, 900}, 10, {}, {}, kNow).ready, Duration::zero());
}

TEST(Expectation, IsToGoWithTheOthersWhereTheyLeaveRoom) {
  const Ahead ahead{.rows = 2, .tokens = 20, .running_until = kNow + milliseconds(1)};
  const Expectation with = expect(ahead, 10, measured(milliseconds(5), 100), {}, kNow);
  EXPECT_NEAR(ms(with.start), 1, 0.1);
  EXPECT_NEAR(ms(with.ready), 1 + 5 + 3, 0.1);
}

TEST(Expectation, IsTheFullBatchesBeforeAndOneMore) {
  const Ahead ahead{.rows = 5, .tokens = 50};
  const Load load = measured(milliseconds(5), 100);
  const Expectation by_rows = expect(ahead, 10, load, {.rows = 2}, kNow);
  EXPECT_NEAR(ms(by_rows.start), 2 * (5 + 2), 0.2);
  EXPECT_NEAR(ms(by_rows.ready), 3 * (5 + 2), 0.2);
  const Expectation by_tokens = expect(ahead, 10, load, {.tokens = 40}, kNow);
  EXPECT_NEAR(ms(by_tokens.start), 5 + 4, 0.2);
}

class Linger : public testing::Test {
 protected:
  const BatchLimits limits{.rows = 64, .tokens = 4096, .max_linger = milliseconds(2)};
  const Load busy = measured(milliseconds(1), 10, 3);
};

TEST_F(Linger, IsZeroWhenTheEngineWasIdle) {
  EXPECT_THAT(Queue().add({1}).admit(limits).batch, ElementsAre(Slice{0, 1}));
}

TEST_F(Linger, IsZeroForOneClientThatAsksAgainAndAgain) {
  EXPECT_THAT(Queue().add({1}).admit(limits, measured(milliseconds(1), 10)).batch,
              ElementsAre(Slice{0, 1}));
}

TEST_F(Linger, IsZeroWhereBatchesSaveNothing) {
  EXPECT_THAT(Queue().add({1}).admit(limits, measured({}, 10, 3)).batch, ElementsAre(Slice{0, 1}));
}

TEST_F(Linger, WaitsForTheOthersAsLongAsJoiningThemSaves) {
  const Admission admission = Queue().add({1}).admit(limits, busy);
  EXPECT_THAT(admission.batch, IsEmpty());
  EXPECT_EQ(admission.wait_until, kNow + busy.rate.fixed());
  EXPECT_NEAR(static_cast<double>(busy.rate.fixed().count()), 1e6, 1e5);
}

TEST_F(Linger, IsCappedAtTheLimit) {
  const Load slow = measured(milliseconds(100), 10, 3);
  EXPECT_EQ(Queue().add({1}).admit(limits, slow).wait_until, kNow + milliseconds(2));
}

TEST_F(Linger, IsASmallPartOfTheLongestWait) {
  const BatchLimits quick{.max_wait = milliseconds(10)};
  EXPECT_EQ(Queue().add({1}).admit(quick, busy).wait_until, kNow + microseconds(500));
}

TEST_F(Linger, EndsWithTheTime) {
  EXPECT_THAT(Queue().add({1}).admit(limits, busy, kNow + milliseconds(2)).batch,
              ElementsAre(Slice{0, 1}));
}

TEST_F(Linger, EndsWhenAsManyRequestsAreThereAsTheLastBatchHad) {
  EXPECT_EQ(Queue().add({1}).add({1}).add({1}).admit(limits, busy).batch.size(), 3u);
}

TEST_F(Linger, EndsWhenTheBatchIsFull) {
  EXPECT_THAT(Queue().add({4000}).add({4000}).admit(limits, busy).batch, ElementsAre(Slice{0, 1}));
}

TEST_F(Linger, ServesARequestThatCouldNotWaitAtOnce) {
  const Admission admitted = Queue().add({1}).until(kNow + microseconds(1800)).admit(limits, busy);
  EXPECT_EQ(admitted.batch.size(), 1u);
  EXPECT_THAT(admitted.late, IsEmpty());
}

}  // namespace
}  // namespace espalier::runtime
