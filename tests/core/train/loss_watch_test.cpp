#include "core/train/loss_watch.h"

#include <gtest/gtest.h>

#include <limits>

#include "core/base/guard.h"
#include "tests/core/train/workbench.h"

namespace espalier {
namespace {

using testing::Workbench;

// The step (from 0) at which the watch speaks up; -1: never.
template <class Loss>
int64_t blows_up(LossWatch watch, int64_t steps, Loss&& loss) {
  for (int64_t step = 0; step < steps; ++step) {
    if (watch.see(step, loss(step))) return step;
  }
  return -1;
}

TEST(LossWatch, SmoothsWithoutTheBiasOfAYoungMean) {
  LossWatch watch(10, 0);
  watch.see(0, 4);
  EXPECT_NEAR(watch.level(), 4, 1e-12);
  watch.see(1, 1);
  EXPECT_NEAR(watch.level(), (0.9 * 4 + 1) / 1.9, 1e-12);
  EXPECT_EQ(watch.lowest_step(), 1);
}

TEST(LossWatch, SpeaksUpAfterFiftyStepsAbove) {
  // The level is 2 up to step 19, then 13.0, 22.7, ...: above 20 from step 21 on.
  auto jump = [](int64_t step) { return step < 20 ? 2.0 : 100.0; };
  EXPECT_EQ(blows_up(LossWatch(10, 0), 200, jump), 21 + 49);
  EXPECT_EQ(blows_up(LossWatch(10, 100), 200, jump), 149);  // judged after the warm-up alone
  EXPECT_EQ(blows_up(LossWatch(0, 0), 200, jump), -1);
  EXPECT_EQ(blows_up(LossWatch(60, 0), 200, jump), -1);
}

TEST(LossWatch, LetsPassWhatIsNoAccident) {
  auto spike = [](int64_t step) { return step >= 20 && step < 40 ? 1000.0 : 2.0; };
  EXPECT_EQ(blows_up(LossWatch(100, 0), 500, spike), -1);
  auto up_from_nothing = [](int64_t step) { return step < 100 ? 1e-6 : 2.0; };
  EXPECT_EQ(blows_up(LossWatch(10, 0), 500, up_from_nothing), -1);
}

TEST(LossWatch, GoesOnFromItsState) {
  auto loss = [](int64_t step) { return step < 20 ? 2.0 / 3 : 100.0; };
  LossWatch whole(10, 0), resumed(10, 0);
  for (int64_t step = 0; step < 40; ++step) whole.see(step, loss(step));
  resumed.load(Json::parse(whole.save().dump()));
  for (int64_t step = 40; step < 200; ++step) {
    const bool speaks_up = whole.see(step, loss(step));
    ASSERT_EQ(resumed.see(step, loss(step)), speaks_up);
    ASSERT_EQ(resumed.level(), whole.level());
  }
}

// Adds nothing to learn from, but much to the loss.
struct Explosion : Distiller {
  Tensor loss(const Pass& pass) override {
    return pass.student.logits.sum() * 0 + (pass.step.index < 5 ? 0.0 : 1e4);
  }
};

TEST(Trainer, NamesTheStepOfABlowUp) {
  Workbench bench(200);
  Explosion explosion;
  bench.training.distillers = {&explosion};
  Model model = testing::tiny_model();
  auto train = [&] {
    Trainer trainer(model, bench.training);
    while (!trainer.done()) trainer.step();
  };
  bench.spec().warmup = 0;
  const absl::Status status = guard("training", train);
  EXPECT_TRUE(absl::IsOutOfRange(status)) << status;
  // From step 6 on, 50 of them.
  EXPECT_NE(status.message().find("at step 55 of phase finetune"), std::string::npos) << status;
  EXPECT_NE(status.message().find("divergence_factor 0 turns"), std::string::npos) << status;
  bench.spec().divergence_factor = 0;
  bench.spec().steps = 60;
  EXPECT_TRUE(guard("training", train).ok());
}

// Its penalty is no number from the third step on. Notes the last step that it was told of.
struct Wrong : Distiller {
  Tensor penalty(const Step& step) override {
    const double value = step.index < 2 ? 0.0 : std::numeric_limits<double>::quiet_NaN();
    return at::full({}, value).set_requires_grad(true);
  }
  void after_step(Session&, const Step& step) override { last = step.index; }
  int64_t last = -1;
};

TEST(Trainer, AStepWhoseLossIsNoNumberEndsBeforeMethodsSeeIt) {
  Workbench bench(5);
  Wrong wrong;
  bench.training.distillers = {&wrong};
  Model model = testing::tiny_model();
  const absl::Status status = guard("training", [&] {
    Trainer trainer(model, bench.training);
    while (!trainer.done()) trainer.step();
  });
  EXPECT_NE(status.message().find("the loss is nan at step 3"), std::string::npos) << status;
  EXPECT_EQ(wrong.last, 1);
}

}  // namespace
}  // namespace espalier
