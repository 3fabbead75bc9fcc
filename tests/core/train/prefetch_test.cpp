#include "core/train/prefetch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "core/base/guard.h"
#include "core/task/classification.h"
#include "tests/core/train/workbench.h"

namespace espalier {
namespace {

using testing::Workbench;

// One batch of one row, as long as the number of its step; notes which steps it was asked for.
struct Maker {
  std::vector<int64_t> asked;
  std::thread::id by;
  Prefetch::Make make() {
    return [this](int64_t step) {
      asked.push_back(step);
      by = std::this_thread::get_id();
      std::vector<Batch> out(1);
      out[0].lengths = {step};
      return out;
    };
  }
};

TEST(Prefetch, AnotherThreadMakesWhatWasBegun) {
  Maker maker;
  Prefetch prefetch(maker.make());
  prefetch.start(4);
  EXPECT_EQ(prefetch.take(4)[0].longest(), 4);
  EXPECT_NE(maker.by, std::this_thread::get_id());
  EXPECT_EQ(maker.asked, std::vector<int64_t>{4});
}

TEST(Prefetch, WhatWasNotBegunIsMadeAtOnce) {
  Maker maker;
  Prefetch prefetch(maker.make());
  EXPECT_EQ(prefetch.take(3)[0].longest(), 3);
  EXPECT_EQ(maker.by, std::this_thread::get_id());
  prefetch.start(4);
  EXPECT_EQ(prefetch.take(7)[0].longest(), 7);
  EXPECT_EQ(maker.asked, (std::vector<int64_t>{3, 4, 7}));
}

TEST(Prefetch, WhatWasForgottenIsMadeAnew) {
  Maker maker;
  Prefetch prefetch(maker.make());
  prefetch.start(4);
  prefetch.forget();
  EXPECT_EQ(prefetch.take(4)[0].longest(), 4);
  EXPECT_EQ(maker.asked, (std::vector<int64_t>{4, 4}));
}

TEST(Prefetch, AFaultComesOutWhereItsBatchesAreTaken) {
  Prefetch prefetch([](int64_t step) -> std::vector<Batch> {
    throw StatusError(absl::DataLossError("step " + std::to_string(step)));
  });
  prefetch.start(1);
  EXPECT_EQ(guard("training", [&] { prefetch.take(1); }), absl::DataLossError("step 1"));
  prefetch.start(2);  // nobody takes these
}

TEST(Prefetch, ItsEndWaitsForTheMaker) {
  Maker maker;
  { Prefetch(maker.make()).start(1); }
  EXPECT_EQ(maker.asked.size(), 1u);
}

// Notes the words of every micro-batch.
struct Reader : Distiller {
  Tensor loss(const Pass& pass) override {
    seen.push_back(pass.batch.ids);
    return {};
  }
  std::vector<Tensor> seen;
};

TEST(Trainer, SeesTheSamplersRowsInTheirOrder) {
  Reader reader;
  Workbench bench(20);  // more than two epochs
  bench.training.distillers = {&reader};
  Model model = testing::tiny_model();
  Trainer trainer(model, bench.training);
  while (!trainer.done()) trainer.step();

  Sampler sampler(bench.examples, 8, bench.training.seed, "finetune");
  ASSERT_EQ(reader.seen.size(), 20u);
  for (int64_t step = 0; step < 20; ++step) {
    const Batch expected = make_batch(bench.examples, sampler.rows(step));
    EXPECT_TRUE(at::equal(reader.seen[static_cast<size_t>(step)], expected.ids)) << step;
  }
}

// Counts the rows that a trainer has drawn for its steps.
struct CountingTask : Classification {
  CountingTask() : Classification(*find_task("text-classification"), {}, "") {}
  void redraw(uint64_t, const Reading&, Input&, std::vector<float>&) const override {
    std::lock_guard lock(mutex);
    ++drawn;
    changed.notify_all();
  }
  // Whether so many are drawn; half a minute is given to them.
  bool reaches(int64_t rows) const {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(30), [&] { return drawn >= rows; });
  }
  mutable std::mutex mutex;
  mutable std::condition_variable changed;
  mutable int64_t drawn = 0;
};

// Holds a step up until the rows of the next one are drawn.
struct Waiting : Distiller {
  explicit Waiting(const CountingTask& task) : task(task) {}
  Tensor loss(const Pass& pass) override {
    const int64_t ahead = std::min(pass.step.index + 2, pass.step.total);
    prefetched = prefetched && task.reaches(8 * ahead);
    return {};
  }
  const CountingTask& task;
  bool prefetched = true;
};

TEST(Trainer, MakesTheNextStepsBatchesWhileAStepRuns) {
  const CountingTask task;
  Waiting waiting(task);
  Workbench bench(5);  // of 8 rows
  bench.training.task = &task;
  bench.training.distillers = {&waiting};
  Model model = testing::tiny_model();
  Trainer trainer(model, bench.training);
  while (!trainer.done()) trainer.step();
  EXPECT_TRUE(waiting.prefetched);
  EXPECT_EQ(task.drawn, 8 * 5);  // each once
}

}  // namespace
}  // namespace espalier
