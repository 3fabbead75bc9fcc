#include "core/runtime/batcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <new>
#include <stdexcept>

namespace espalier::runtime {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Row row(std::vector<int32_t> ids) {
  Row result;
  result.input.types.assign(ids.size(), 0);
  result.input.ids = std::move(ids);
  return result;
}

// Answers every row with its first id as the label; refuses rows that start with a negative one.
class FakeEngine {
 public:
  absl::StatusOr<std::vector<Answer>> operator()(std::span<const Row> rows) {
    batches.push_back(static_cast<int>(rows.size()));
    if (on_run) on_run();
    std::vector<Answer> answers;
    for (const Row& each : rows) {
      if (each.input.ids[0] < 0) return absl::InvalidArgumentError("bad row");
      Answer answer;
      answer.label = each.input.ids[0];
      answers.push_back(answer);
    }
    return answers;
  }
  std::vector<int> batches;
  std::function<void()> on_run;
};

// What one request got.
struct Outcome {
  int calls = 0;
  absl::Status status;
  std::vector<int> labels;
  BatchedAnswer answer;
};

class CountingObserver : public BatcherObserver {
 public:
  void queue_changed(int rows) override { queued += rows; }
  void batch_ran(int rows, int64_t tokens, Duration) override { ran.emplace_back(rows, tokens); }
  int queued = 0;
  std::vector<std::pair<int, int64_t>> ran;
};

// A batcher on strings: time stands still unless told, batches run only in step().
class BatcherTest : public testing::Test {
 protected:
  std::unique_ptr<Batcher> make(BatcherOptions options = {}) {
    return std::make_unique<Batcher>([this](std::span<const Row> rows) { return engine(rows); },
                                     options, nullptr, &observer,
                                     [this] {
                                       if (--good_readings == 0) throw std::bad_alloc();
                                       return now;
                                     });
  }
  BatcherRequest request(std::vector<int32_t> first_ids, Outcome& outcome) {
    BatcherRequest result;
    for (int32_t id : first_ids) result.rows.push_back(row({id}));
    result.done = [&outcome](absl::StatusOr<BatchedAnswer> answer) {
      ++outcome.calls;
      outcome.status = answer.status();
      if (!answer.ok()) return;
      outcome.answer = *std::move(answer);
      for (const Answer& each : outcome.answer.answers) outcome.labels.push_back(each.label);
    };
    return result;
  }

  TimePoint now = TimePoint{} + std::chrono::hours(1);
  int good_readings = 0;  // of the clock, and one that throws; 0: all are good
  FakeEngine engine;
  CountingObserver observer;
  Outcome first, second, third;
};

TEST_F(BatcherTest, AnswersRequestsThatWaitTogetherFromOneBatch) {
  auto batcher = make();
  ASSERT_TRUE(batcher->submit(request({1, 2}, first)).ok());
  ASSERT_TRUE(batcher->submit(request({3}, second)).ok());
  EXPECT_TRUE(batcher->step());
  EXPECT_FALSE(batcher->step());
  EXPECT_THAT(first.labels, ElementsAre(1, 2));
  EXPECT_THAT(second.labels, ElementsAre(3));
  EXPECT_THAT(engine.batches, ElementsAre(3));
}

TEST_F(BatcherTest, SpreadsALargeRequestOverBatchesAndAnswersItOnce) {
  auto batcher = make({.limits = {.rows = 2}});
  ASSERT_TRUE(batcher->submit(request({1, 2, 3, 4, 5}, first)).ok());
  batcher->step();
  EXPECT_EQ(first.calls, 0);
  EXPECT_EQ(batcher->queued_rows(), 3);
  while (batcher->step()) {
  }
  EXPECT_THAT(first.labels, ElementsAre(1, 2, 3, 4, 5));
  EXPECT_EQ(first.calls, 1);
  EXPECT_THAT(engine.batches, ElementsAre(2, 2, 1));
}

TEST_F(BatcherTest, TheRestOfALargeRequestGoesBehindWhoeverCameMeanwhile) {
  auto batcher = make({.limits = {.rows = 2}});
  ASSERT_TRUE(batcher->submit(request({1, 2, 3, 4, 5}, first)).ok());
  ASSERT_TRUE(batcher->submit(request({6}, second)).ok());
  batcher->step();
  ASSERT_TRUE(batcher->submit(request({7, 8}, third)).ok());
  batcher->step();  // 6, 3
  EXPECT_THAT(second.labels, ElementsAre(6));
  batcher->step();  // 7, 8
  EXPECT_THAT(third.labels, ElementsAre(7, 8));
  batcher->step();
  EXPECT_THAT(first.labels, ElementsAre(1, 2, 3, 4, 5));
}

TEST_F(BatcherTest, TheRestKeepsItsPlaceWhereOthersLeftItLittleOfTheBatch) {
  auto batcher = make({.limits = {.rows = 3}});
  ASSERT_TRUE(batcher->submit(request({1, 2}, first)).ok());
  ASSERT_TRUE(batcher->submit(request({3, 4, 5, 6}, second)).ok());
  ASSERT_TRUE(batcher->submit(request({7}, third)).ok());
  batcher->step();  // 1, 2, 3
  batcher->step();
  EXPECT_THAT(second.labels, ElementsAre(3, 4, 5, 6));
  EXPECT_EQ(third.calls, 0);
}

TEST_F(BatcherTest, RefusesWhatWouldOverflowTheQueueAndRecovers) {
  auto batcher = make({.max_queue_rows = 2});
  ASSERT_TRUE(batcher->submit(request({1, 2}, first)).ok());
  const absl::Status full = batcher->submit(request({3}, second));
  EXPECT_EQ(full.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(full.message()), HasSubstr("2 of 2 rows"));
  batcher->step();
  EXPECT_TRUE(batcher->submit(request({3}, second)).ok());
}

TEST_F(BatcherTest, RefusesARequestThatCanNeverFit) {
  EXPECT_EQ(make({.max_queue_rows = 2})->submit(request({1, 2, 3}, first)).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(BatcherTest, DropsACancelledRequestBeforeItRuns) {
  auto batcher = make();
  auto cancelled = std::make_shared<std::atomic<bool>>(false);
  BatcherRequest doomed = request({1}, first);
  doomed.cancelled = cancelled;
  ASSERT_TRUE(batcher->submit(std::move(doomed)).ok());
  *cancelled = true;
  EXPECT_TRUE(batcher->step());
  EXPECT_EQ(first.status.code(), absl::StatusCode::kCancelled);
  EXPECT_THAT(engine.batches, IsEmpty());
}

TEST_F(BatcherTest, DropsTheRestOfARequestThatIsCancelledHalfway) {
  auto batcher = make({.limits = {.rows = 1}});
  auto cancelled = std::make_shared<std::atomic<bool>>(false);
  BatcherRequest doomed = request({1, 2}, first);
  doomed.cancelled = cancelled;
  ASSERT_TRUE(batcher->submit(std::move(doomed)).ok());
  batcher->step();
  *cancelled = true;
  batcher->step();
  EXPECT_EQ(first.status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(first.calls, 1);
  EXPECT_THAT(engine.batches, ElementsAre(1));
}

TEST_F(BatcherTest, DropsARequestPastItsDeadline) {
  auto batcher = make();
  BatcherRequest late = request({1}, first);
  late.deadline = now + std::chrono::milliseconds(5);
  ASSERT_TRUE(batcher->submit(std::move(late)).ok());
  now += std::chrono::milliseconds(5);
  batcher->step();
  EXPECT_EQ(first.status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(engine.batches, IsEmpty());
}

TEST_F(BatcherTest, AFailedBatchFailsOnlyTheRequestThatIsToBlame) {
  auto batcher = make();
  ASSERT_TRUE(batcher->submit(request({1}, first)).ok());
  ASSERT_TRUE(batcher->submit(request({-1}, second)).ok());
  ASSERT_TRUE(batcher->submit(request({3}, third)).ok());
  batcher->step();
  EXPECT_THAT(first.labels, ElementsAre(1));
  EXPECT_EQ(second.status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(third.labels, ElementsAre(3));
}

TEST_F(BatcherTest, AFailedRequestTakesItsWaitingRowsWithIt) {
  auto batcher = make({.limits = {.rows = 1}});
  ASSERT_TRUE(batcher->submit(request({-1, 2, 3}, first)).ok());
  batcher->step();
  EXPECT_EQ(first.calls, 1);
  EXPECT_EQ(batcher->queued_rows(), 0);
  EXPECT_EQ(observer.queued, 0);
  EXPECT_FALSE(batcher->step());
}

TEST_F(BatcherTest, AnEngineThatThrowsIsAnErrorOfTheRequestNotOfTheThread) {
  auto batcher = make();
  engine.on_run = [] { throw std::runtime_error("boom"); };
  ASSERT_TRUE(batcher->submit(request({1}, first)).ok());
  batcher->step();
  EXPECT_THAT(std::string(first.status.message()), HasSubstr("boom"));
  engine.on_run = nullptr;
  ASSERT_TRUE(batcher->submit(request({2}, second)).ok());
  batcher->step();
  EXPECT_THAT(second.labels, ElementsAre(2));
}

// A clock that throws stands for each of the batcher's own allocations.
TEST_F(BatcherTest, AnswersEverybodyWhereMemoryRunsOutBesideTheEngine) {
  for (int reading = 1; reading <= 5; ++reading) {
    first = second = third = {};
    auto batcher = make({.limits = {.rows = 2}});
    ASSERT_TRUE(batcher->submit(request({1}, first)).ok());
    ASSERT_TRUE(batcher->submit(request({2, 3}, second)).ok());
    good_readings = reading;
    EXPECT_TRUE(batcher->step());
    EXPECT_LT(good_readings, 1) << "never threw";
    EXPECT_EQ(first.status.code(), absl::StatusCode::kResourceExhausted);
    ASSERT_TRUE(batcher->submit(request({4}, third)).ok());
    batcher->drain();
    EXPECT_EQ(first.calls + second.calls, 2);
    EXPECT_THAT(third.labels, ElementsAre(4));
    EXPECT_EQ(batcher->queued_rows() + observer.queued, 0);
  }
}

TEST_F(BatcherTest, MeasuresQueueAndComputeApart) {
  auto batcher = make();
  engine.on_run = [this] { now += std::chrono::milliseconds(7); };
  ASSERT_TRUE(batcher->submit(request({1}, first)).ok());
  now += std::chrono::milliseconds(3);
  batcher->step();
  EXPECT_EQ(first.answer.queue, std::chrono::milliseconds(3));
  EXPECT_EQ(first.answer.compute, std::chrono::milliseconds(7));
  EXPECT_THAT(observer.ran, ElementsAre(std::pair(1, int64_t{1})));
}

TEST_F(BatcherTest, DrainFinishesWhatWaitsAndRefusesWhatComes) {
  auto batcher = make({.limits = {.rows = 1}});
  ASSERT_TRUE(batcher->submit(request({1, 2}, first)).ok());
  batcher->drain();
  EXPECT_THAT(first.labels, ElementsAre(1, 2));
  EXPECT_EQ(batcher->submit(request({3}, second)).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(second.calls, 0);
}

TEST_F(BatcherTest, PutsAHigherPriorityFirstAndKeepsTheOrderWithinOne) {
  auto batcher = make({.limits = {.rows = 1}});
  std::vector<int> order;
  const auto submit = [&](int32_t id, int priority) {
    BatcherRequest each = request({id}, first);
    each.priority = priority;
    each.done = [&order](absl::StatusOr<BatchedAnswer> answer) {
      order.push_back(answer->answers[0].label);
    };
    ASSERT_TRUE(batcher->submit(std::move(each)).ok());
  };
  submit(1, 0);
  submit(2, 2);
  submit(3, 1);
  submit(4, 2);
  batcher->drain();
  EXPECT_THAT(order, ElementsAre(3, 2, 4, 1));
}

// An engine that takes 1 ms a token.
class SlowBatcherTest : public BatcherTest {
 protected:
  SlowBatcherTest() {
    engine.on_run = [this] { now += milliseconds(1); };
    // It knows its rate when a test begins.
    EXPECT_TRUE(batcher->submit(request({1}, warm)).ok());
    EXPECT_TRUE(batcher->step());
    engine.batches.clear();
  }
  void four_wait() {
    for (int id = 1; id <= 4; ++id) ASSERT_TRUE(batcher->submit(request({id}, first)).ok());
  }
  Outcome warm;
  std::unique_ptr<Batcher> batcher = make({.limits = {.rows = 1, .max_wait = milliseconds(3)}});
};

TEST_F(SlowBatcherTest, RefusesWhoWouldWaitTooLong) {
  four_wait();
  const absl::Status refused = batcher->submit(request({5}, third));
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("would wait about 4 ms (allowed: 3)"));
  EXPECT_EQ(batcher->check(0, TimePoint::max()), refused);
}

TEST_F(SlowBatcherTest, CountsOnlyWhatGoesBeforeAsAWait) {
  four_wait();
  EXPECT_TRUE(batcher->check(1, TimePoint::max()).ok());
}

TEST_F(SlowBatcherTest, CountsOneBatchOfALargeRequestAsAWait) {
  ASSERT_TRUE(batcher->submit(request({1, 2, 3, 4, 5}, first)).ok());
  BatcherRequest hurried = request({6}, second);
  hurried.deadline = now + microseconds(2100);
  ASSERT_TRUE(batcher->submit(std::move(hurried)).ok());
  batcher->step();
  batcher->step();
  EXPECT_THAT(second.labels, ElementsAre(6));
}

TEST_F(SlowBatcherTest, WhoeverComesWhileALargeRequestRunsIsNext) {
  engine.on_run = [&] {
    now += microseconds(600);
    if (engine.batches.size() == 1) {
      ASSERT_TRUE(batcher->submit(request({4}, second)).ok());
    }
    now += microseconds(400);
  };
  ASSERT_TRUE(batcher->submit(request({1, 2, 3}, first)).ok());
  batcher->step();
  batcher->step();
  EXPECT_THAT(second.labels, ElementsAre(4));
  EXPECT_EQ(second.answer.queue, microseconds(400));
}

TEST_F(SlowBatcherTest, CountsTheRestOfTheBatchThatRunsAsAWait) {
  std::optional<absl::Status> meanwhile;
  engine.on_run = [&] {
    meanwhile = batcher->check(0, now + microseconds(500));
    now += milliseconds(1);
  };
  ASSERT_TRUE(batcher->submit(request({1}, first)).ok());
  batcher->step();
  EXPECT_EQ(meanwhile->code(), absl::StatusCode::kUnavailable);
}

TEST_F(SlowBatcherTest, RefusesWhoseDeadlineComesBeforeTheAnswer) {
  ASSERT_TRUE(batcher->submit(request({1}, first)).ok());
  ASSERT_TRUE(batcher->submit(request({2}, first)).ok());
  BatcherRequest hurried = request({3}, second);
  hurried.deadline = now + microseconds(2900);
  const absl::Status refused = batcher->submit(std::move(hurried));
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("the request's deadline is in 2;"));
}

TEST_F(SlowBatcherTest, SpendsNoEngineTimeOnAnAnswerThatWouldBeLate) {
  BatcherRequest hurried = request({1}, first);
  hurried.deadline = now + microseconds(900);
  ASSERT_TRUE(batcher->submit(std::move(hurried)).ok());
  batcher->step();
  EXPECT_EQ(first.status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(engine.batches, IsEmpty());
}

TEST_F(SlowBatcherTest, LearnsNothingFromABatchThatFailed) {
  Outcome failed;
  for (int i = 0; i < 50; ++i) {
    engine.on_run = nullptr;  // at once
    ASSERT_TRUE(batcher->submit(request({-1}, failed)).ok());
    batcher->step();
  }
  four_wait();
  EXPECT_FALSE(batcher->check(0, TimePoint::max()).ok());
}

TEST(BatcherThread, AnswersManyThreadsEachWithItsOwnRows) {
  FakeEngine engine;
  Executor executor;
  Batcher batcher([&](std::span<const Row> rows) { return engine(rows); }, {}, &executor);
  constexpr int kThreads = 8, kRequests = 50;
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kRequests; ++i) {
        const int32_t id = thread * kRequests + i;
        std::promise<absl::StatusOr<BatchedAnswer>> promise;
        BatcherRequest request;
        request.rows = {row({id, 1, 1}), row({id + 1})};
        request.done = [&](absl::StatusOr<BatchedAnswer> answer) {
          promise.set_value(std::move(answer));
        };
        if (!batcher.submit(std::move(request)).ok()) {
          ++wrong;
          continue;
        }
        const auto answer = promise.get_future().get();
        if (!answer.ok() || answer->answers[0].label != id || answer->answers[1].label != id + 1) {
          ++wrong;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(BatcherThread, DestructionAnswersEverybody) {
  FakeEngine engine;
  std::atomic<int> answered{0};
  {
    Executor executor;
    Batcher batcher([&](std::span<const Row> rows) { return engine(rows); },
                    {.limits = {.rows = 1}}, &executor);
    for (int i = 0; i < 20; ++i) {
      BatcherRequest request;
      request.rows = {row({i})};
      request.done = [&](absl::StatusOr<BatchedAnswer>) { ++answered; };
      ASSERT_TRUE(batcher.submit(std::move(request)).ok());
    }
  }
  EXPECT_EQ(answered, 20);
}

}  // namespace
}  // namespace espalier::runtime
