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

class Linger : public testing::Test {
 protected:
  const BatchLimits limits{.rows = 64, .tokens = 4096, .max_linger = milliseconds(2)};
  const Load busy{.requests = 3, .compute = milliseconds(4), .end = kNow};
};

TEST_F(Linger, IsZeroWhenTheEngineWasIdle) {
  EXPECT_THAT(Queue().add({1}).admit(limits).batch, ElementsAre(Slice{0, 1}));
}

TEST_F(Linger, IsZeroForOneClientThatAsksAgainAndAgain) {
  EXPECT_THAT(Queue().add({1}).admit(limits, {1, milliseconds(4), kNow}).batch,
              ElementsAre(Slice{0, 1}));
}

TEST_F(Linger, WaitsAQuarterOfTheLastBatchForTheOthers) {
  const Admission admission = Queue().add({1}).admit(limits, busy);
  EXPECT_THAT(admission.batch, IsEmpty());
  EXPECT_EQ(admission.wait_until, kNow + milliseconds(1));
}

TEST_F(Linger, IsCappedAtTheLimit) {
  const Load slow{3, milliseconds(400), kNow};
  EXPECT_EQ(Queue().add({1}).admit(limits, slow).wait_until, kNow + milliseconds(2));
}

TEST_F(Linger, EndsWithTheTime) {
  EXPECT_THAT(Queue().add({1}).admit(limits, busy, kNow + milliseconds(1)).batch,
              ElementsAre(Slice{0, 1}));
}

TEST_F(Linger, EndsWhenAsManyRequestsAreThereAsTheLastBatchHad) {
  EXPECT_EQ(Queue().add({1}).add({1}).add({1}).admit(limits, busy).batch.size(), 3u);
}

TEST_F(Linger, EndsWhenTheBatchIsFull) {
  EXPECT_THAT(Queue().add({4000}).add({4000}).admit(limits, busy).batch, ElementsAre(Slice{0, 1}));
}

TEST_F(Linger, ServesARequestThatWouldEndMeanwhileAtOnce) {
  const Admission admitted = Queue().add({1}).until(kNow + microseconds(300)).admit(limits, busy);
  EXPECT_EQ(admitted.batch.size(), 1u);
  EXPECT_TRUE(admitted.expired.empty());
}

}  // namespace
}  // namespace espalier::runtime
