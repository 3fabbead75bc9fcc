#include "core/train/weight_average.h"

#include <gtest/gtest.h>

#include "tests/core/train/workbench.h"

namespace espalier {
namespace {

using testing::max_gap;
using testing::Workbench;

TEST(WeightAverage, FollowsByHand) {
  Model model = testing::tiny_model();
  model.set_requires_grad(true);
  WeightAverage average(model, 0.15);
  Tensor& bias = model.classifier.bias;
  Tensor start = bias.detach().clone();
  torch::NoGradGuard no_grad;
  bias.add_(1);
  average.see(0);  // keeps 1/10
  EXPECT_LE(max_gap(average.of(model).classifier.bias, start + 0.9), 1e-6);
  bias.add_(1);
  average.see(1);  // would keep 2/11, which is above 0.15
  EXPECT_LE(max_gap(average.of(model).classifier.bias, start + 0.15 * 0.9 + 0.85 * 2), 1e-6);
  EXPECT_LE(max_gap(bias, start + 2), 1e-6);
}

TEST(WeightAverage, BeginsAnewWithTensorsThatAMethodHasRewritten) {
  Model model = testing::tiny_model();
  model.set_requires_grad(true);
  WeightAverage average(model, 0.9);
  torch::NoGradGuard no_grad;
  const Tensor before = model.pooler.bias.detach().clone();
  model.classifier.bias.add_(1);
  model.pooler.bias.add_(1);
  average.restart({model.classifier.bias});
  EXPECT_EQ(max_gap(average.of(model).classifier.bias, model.classifier.bias), 0);
  EXPECT_EQ(max_gap(average.of(model).pooler.bias, before), 0);
}

TEST(WeightAverage, SharesWhatIsNotTrained) {
  Model model = testing::tiny_model();
  model.classifier.bias.set_requires_grad(true);
  const Model averaged = WeightAverage(model, 0.9).of(model);
  EXPECT_TRUE(averaged.word.is_same(model.word));
  EXPECT_FALSE(averaged.classifier.bias.is_same(model.classifier.bias));
  EXPECT_TRUE(WeightAverage(model, 0).of(model).classifier.bias.is_same(model.classifier.bias));
}

// The weights before finish(), their averages and what finish() leaves.
TEST(Trainer, LeavesTheAveragedWeights) {
  Workbench bench(6);
  bench.spec().ema = 0.9;
  bench.training.select = nullptr;
  Model model = testing::tiny_model();
  Trainer trainer(model, bench.training);
  while (!trainer.done()) trainer.step();
  State state;
  trainer.save(state);
  const Tensor average = state.tensors.at("ema.classifier.bias").clone();
  EXPECT_GT(max_gap(model.classifier.bias.detach(), average), 0);
  trainer.finish();
  EXPECT_EQ(max_gap(model.classifier.bias.detach(), average), 0);
}

TEST(Trainer, SelectsAmongAveragedWeights) {
  Workbench bench(8);  // one epoch: the only state that is compared is the last
  bench.spec().ema = 0.9;
  Model model = testing::tiny_model();
  Trainer trainer(model, bench.training);
  while (!trainer.done()) trainer.step();
  State state;
  trainer.save(state);
  EXPECT_EQ(
      max_gap(state.tensors.at("best.classifier.bias"), state.tensors.at("ema.classifier.bias")),
      0);
}

}  // namespace
}  // namespace espalier
