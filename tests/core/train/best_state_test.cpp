#include "core/train/best_state.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/base/guard.h"
#include "tests/core/train/workbench.h"

namespace espalier {
namespace {

using testing::Workbench;

double kept_bias(const BestState& best) {
  return best.tensors().at("classifier.bias")[0].item<double>();
}

TEST(BestState, KeepsTheBestAndCountsWhatCameAfter) {
  Model model = testing::tiny_model();
  BestState best;
  EXPECT_TRUE(best.empty());
  int number = 0;
  // Correlations may be negative, and some metrics are no number on a degenerate answer.
  for (double metric : {std::nan(""), -40.0, -50.0, 10.0, 10.0, std::nan("")}) {
    model.classifier.bias.fill_(number++);
    best.see(metric, model);
  }
  EXPECT_EQ(best.metric(), 10);
  EXPECT_EQ(kept_bias(best), 3);
  EXPECT_EQ(best.stale(), 2);
}

TEST(BestState, SurvivesACheckpoint) {
  Model model = testing::tiny_model();
  BestState best, restored;
  Tensor gates = torch::tensor({1.5, 0.0}, torch::kDouble);
  best.see(7, model, {{{"gates", gates}}, {{"reached", 0.25}}});
  gates.zero_();
  best.see(6, model, {{{"gates", gates}}, {{"reached", 0.5}}});
  State state;
  best.save(state);
  restored.load(state);
  EXPECT_EQ(restored.methods().tensors.at("gates")[0].item<double>(), 1.5) << "a copy";
  EXPECT_EQ(restored.methods().json.at("reached").get<double>(), 0.25);
  EXPECT_EQ(restored.metric(), 7);
  EXPECT_EQ(restored.stale(), 1);
  EXPECT_EQ(kept_bias(restored), kept_bias(best));
}

// A learning rate that changes nothing: the first evaluation is the best.
TEST(Trainer, EndsWhenItsPatienceDoes) {
  Workbench bench(100);
  bench.spec().learning_rate = 1e-30;
  bench.spec().evaluate_every = 5;
  bench.spec().patience = 3;
  Model model = testing::tiny_model();
  Trainer trainer(model, bench.training);
  while (!trainer.done()) trainer.step();
  EXPECT_EQ(trainer.step_index(), 20);
  EXPECT_TRUE(trainer.stopped_early());
  EXPECT_EQ(trainer.total_steps(), 100);
}

TEST(Trainer, AlwaysEvaluatesItsEnd) {
  Workbench bench(4);
  bench.spec().evaluate_every = 3;
  Model model = testing::tiny_model();
  Trainer trainer(model, bench.training);
  for (int i = 0; i < 2; ++i) trainer.step();
  EXPECT_FALSE(trainer.metrics().contains("select_metric"));
  EXPECT_FALSE(trainer.evaluated());
  trainer.step();
  EXPECT_TRUE(trainer.evaluated());
  const double third = trainer.metrics().at("select_metric");
  trainer.step();
  trainer.finish();
  EXPECT_GE(trainer.metrics().at("select_metric"), third);
}

TEST(Trainer, RefusesPatienceWithNothingToCompare) {
  Workbench bench(4);
  bench.spec().patience = 1;
  bench.training.select = nullptr;
  Model model = testing::tiny_model();
  absl::Status status = guard("training", [&] { Trainer trainer(model, bench.training); });
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
}

}  // namespace
}  // namespace espalier
