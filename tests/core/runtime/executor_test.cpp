#include "core/runtime/executor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>
#include <optional>

namespace espalier::runtime {
namespace {

// Has `left` steps to do and says so when they are done.
class Steps : public WorkSource {
 public:
  explicit Steps(int left) : left_(left) {}
  Step step() override {
    if (inside_.exchange(true)) ++overlaps;
    if (on_step) on_step();
    const bool worked = left_ > 0;
    if (worked && --left_ == 0) done.set_value();
    inside_ = false;
    return {worked, {}};
  }
  std::promise<void> done;
  std::function<void()> on_step;
  std::atomic<int> overlaps{0};

 private:
  std::atomic<int> left_;
  std::atomic<bool> inside_{false};
};

TEST(Executor, RunsASourceUntilItHasNothingLeft) {
  Executor executor;
  Steps steps(100);
  executor.add(&steps);
  executor.wake(&steps);
  steps.done.get_future().get();
  executor.remove(&steps);
}

TEST(Executor, RunsOneSourceAtATime) {
  Executor executor;
  std::atomic<int> inside{0}, overlaps{0};
  Steps a(200), b(200);
  for (Steps* steps : {&a, &b}) {
    steps->on_step = [&] {
      if (inside.fetch_add(1) > 0) ++overlaps;
      --inside;
    };
    executor.add(steps);
  }
  for (Steps* steps : {&a, &b}) executor.wake(steps);
  for (Steps* steps : {&a, &b}) steps->done.get_future().get();
  for (Steps* steps : {&a, &b}) executor.remove(steps);
  EXPECT_EQ(overlaps, 0);
}

TEST(Executor, RunsTwoSourcesAtATimeButNoneTwiceWhereItIsTold) {
  Executor executor(2);
  std::latch both(2);  // passes only if the two are inside together
  Steps a(200), b(200);
  for (Steps* steps : {&a, &b}) {
    steps->on_step = [&, first = true]() mutable {
      if (std::exchange(first, false)) both.arrive_and_wait();
    };
    executor.add(steps);
  }
  for (Steps* steps : {&a, &b}) executor.wake(steps);
  for (Steps* steps : {&a, &b}) steps->done.get_future().get();
  for (Steps* steps : {&a, &b}) executor.remove(steps);
  EXPECT_EQ(a.overlaps + b.overlaps, 0);
}

TEST(Executor, LetsASourceLeaveOnlyWhenItsStepIsOver) {
  Executor executor;
  std::promise<void> entered, leave;
  std::atomic<bool> over{false};
  Steps steps(1);
  steps.on_step = [&, first = true]() mutable {
    if (!std::exchange(first, false)) return;
    entered.set_value();
    leave.get_future().get();
    over = true;
  };
  executor.add(&steps);
  executor.wake(&steps);
  entered.get_future().get();
  std::thread remover([&] {
    executor.remove(&steps);
    EXPECT_TRUE(over);
  });
  leave.set_value();
  remover.join();
}

TEST(Executor, ComesBackWhenASourceAskedForIt) {
  class Later : public WorkSource {
   public:
    Step step() override {
      const auto now = std::chrono::steady_clock::now();
      if (!until) return {false, until = now + std::chrono::milliseconds(1)};
      if (!again.exchange(true)) came_back.set_value(now >= *until);
      return {};
    }
    std::optional<TimePoint> until;
    std::atomic<bool> again{false};
    std::promise<bool> came_back;
  } later;
  Executor executor;
  executor.add(&later);
  executor.wake(&later);
  EXPECT_TRUE(later.came_back.get_future().get());
  executor.remove(&later);
}

}  // namespace
}  // namespace espalier::runtime
