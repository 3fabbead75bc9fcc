// Schedules by hand values; those of the learning rate were printed by a loop over
// transformers 4.57 and torch 2.13 schedulers with 10 steps, 2 of them warm-up, and learning
// rate 1.
#include "core/method/schedule.h"

#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "core/train/learning_rate.h"

namespace espalier {
namespace {

void expect_factors(const std::function<double(int64_t)>& schedule,
                    const std::vector<double>& expected) {
  for (size_t step = 0; step < expected.size(); ++step)
    EXPECT_NEAR(schedule(static_cast<int64_t>(step)), expected[step], 1e-15) << "step " << step;
}

TEST(Schedule, CubicRampByHand) {
  EXPECT_EQ(cubic_sparsity(0, 100, 0.1, 0.9, 0.8), 0);
  EXPECT_EQ(cubic_sparsity(10, 100, 0.1, 0.9, 0.8), 0);
  EXPECT_NEAR(cubic_sparsity(50, 100, 0.1, 0.9, 0.8), 0.8 * (1 - 0.125), 1e-12);
  EXPECT_EQ(cubic_sparsity(95, 100, 0.1, 0.9, 0.8), 0.8);
}

TEST(Schedule, LinearIsThatOfTransformers) {
  expect_factors([](int64_t k) { return linear_schedule(k, 10, 2); },
                 {0, 0.5, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0, 0});
  EXPECT_EQ(linear_schedule(0, 10, 0), 1);
}

TEST(Schedule, CosineIsThatOfTransformers) {
  expect_factors([](int64_t k) { return cosine_schedule(k, 10, 2); },
                 {0, 0.5, 1, 0.9619397662556434, 0.8535533905932737, 0.6913417161825449, 0.5,
                  0.30865828381745514, 0.14644660940672627, 0.03806023374435663});
}

TEST(Schedule, ConstantStaysAfterItsWarmUp) {
  expect_factors([](int64_t k) { return constant_schedule(k, 2); }, {0, 0.5, 1, 1, 1});
  EXPECT_EQ(constant_schedule(0, 0), 1);
}

TEST(Schedule, CyclicIsTorchsTriangle) {
  // CyclicLR(base_lr=0.1, max_lr=1, step_size_up=3, step_size_down=5)
  expect_factors(
      [](int64_t k) {
        return cyclic_schedule(k, 0, {8, 3.0 / 8, 0.1});
      },
      {0.1, 0.4, 0.7, 1, 0.82, 0.64, 0.46, 0.28, 0.1, 0.4, 0.7, 1});
}

TEST(Schedule, ACycleWithoutRiseIsASawtooth) {
  expect_factors(
      [](int64_t k) {
        return cyclic_schedule(k, 0, {4, 0, 0.2});
      },
      {1, 0.8, 0.6, 0.4, 1, 0.8});
}

TEST(Schedule, AWarmUpMultipliesTheCycle) {
  expect_factors(
      [](int64_t k) {
        return cyclic_schedule(k, 2, {4, 0, 0.2});
      },
      {0, 0.4, 0.6, 0.4, 1});
}

TEST(Schedule, WarmUpIsAShareOrAsManySteps) {
  TrainingSpec spec;
  spec.warmup = 0.15;
  EXPECT_EQ(warmup_steps(spec, 10), 2);  // 1.5, rounded up
  EXPECT_EQ(learning_rate_factor(spec, 1, 10), 0.5);
  spec.warmup_steps = 4;
  EXPECT_EQ(learning_rate_factor(spec, 1, 10), 0.25);
  EXPECT_EQ(learning_rate_factor(spec, 7, 10), 0.5);
}

TEST(Schedule, CyclesFillTheTraining) {
  TrainingSpec spec;
  spec.schedule = ScheduleKind::kCyclic;
  spec.warmup = 0;
  spec.cycles = 2;
  expect_factors([&](int64_t k) { return learning_rate_factor(spec, k, 16); },
                 {0, 0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25, 0, 0.25});
}

}  // namespace
}  // namespace espalier
