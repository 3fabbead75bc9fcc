#include "core/prune/movement.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/base/guard.h"
#include "core/model/cost.h"
#include "core/model/task_loss.h"
#include "core/model/walk.h"
#include "tests/core/prune/pruning_run.h"

namespace espalier {
namespace {

Tensor floats(const std::vector<float>& values) { return torch::tensor(values); }

TEST(TopMask, KeepsExactlySoManyAndOfEqualScoresTheFirst) {
  const Tensor scores = floats({3, 1, 2, 2, 0});
  EXPECT_TRUE(at::equal(top_mask(scores, 2), floats({1, 0, 1, 0, 0})));
  EXPECT_TRUE(at::equal(top_mask(scores, 3), floats({1, 0, 1, 1, 0})));
  EXPECT_TRUE(at::equal(top_mask(scores, 0), at::zeros({5})));
  EXPECT_TRUE(at::equal(top_mask(scores, 5), at::ones({5})));
  EXPECT_TRUE(at::equal(top_mask(at::zeros({2, 2}), 3), floats({1, 1, 1, 0}).view({2, 2})));
}

TEST(TopMask, ChoosesAmongSeveralTensorsTogether) {
  const std::vector<Tensor> masks = top_masks({floats({1, 5}), floats({4, 2, 3})}, 3);
  EXPECT_TRUE(at::equal(masks[0], floats({0, 1})));
  EXPECT_TRUE(at::equal(masks[1], floats({1, 0, 1})));
}

TEST(ThresholdMask, OpensWhatIsAboveTheThreshold) {
  // sigmoid(-3) = 0.047, sigmoid(-2) = 0.119.
  const Tensor scores = floats({-3, -2, 0, 3});
  EXPECT_TRUE(at::equal(threshold_mask(scores, 0.1, 0), floats({0, 1, 1, 1})));
  EXPECT_TRUE(at::equal(threshold_mask(scores, 0, 0), at::ones({4})));
}

TEST(ThresholdMask, LeavesTheLeastShareOpen) {
  const Tensor scores = at::linspace(-20, -10, 400);
  const Tensor mask = threshold_mask(scores, 0.1, 0.005);
  EXPECT_EQ(mask.sum().item<double>(), 3) << "one more than half a percent";
  EXPECT_EQ(mask.narrow(0, 397, 3).sum().item<double>(), 3);
  EXPECT_EQ(threshold_mask(floats({-9, -8}), 0.1, 0.005).sum().item<double>(), 1);
}

TEST(StraightThrough, IsTheMaskAndLetsTheGradientPass) {
  const Tensor scores = at::linspace(-3.7, 12345.6, 30).set_requires_grad(true);
  const Tensor mask = top_mask(scores, 11), slope = at::linspace(-1, 1, 30);
  const Tensor gate = straight_through(mask, scores);
  EXPECT_TRUE(at::equal(gate.detach(), mask)) << "to the bit";
  (gate * slope).sum().backward();
  EXPECT_TRUE(at::equal(scores.grad(), slope));
}

TEST(MeanSigmoid, IsAMeanOverTensorsOfMeans) {
  // (1/2 + (3/4 + 1/4) / 2) / 2.
  const float ln3 = std::log(3.0F);
  EXPECT_NEAR(mean_sigmoid({at::zeros({7}), floats({ln3, -ln3})}).item<double>(), 0.5, 1e-6);
  EXPECT_NEAR(mean_sigmoid({at::zeros({7}), floats({ln3})}).item<double>(), 0.625, 1e-6);
}

TEST(Movement, AScoreGradientIsTheGradientOfTheMaskedWeightTimesTheWeight) {
  const std::string name = "layers.1.ffn.up";
  const Batch batch = testing::tiny_batch(testing::tiny_examples(16), 16);
  Model model = testing::tiny_model();
  model.set_requires_grad(true);
  const Tensor weight = model.layers[1].up.weight.detach().clone();
  const Tensor mask = top_mask(weight, 200);

  Tensor scores = at::zeros_like(weight).set_requires_grad(true);
  Gates gates;
  gates.weight[name] = straight_through(mask, scores);
  gates.seal(model.config);
  TrainBackend gated(model);
  task_loss(Objective::kClass, walk(gated, batch, gates).logits, batch).backward();

  Model masked = model.clone();  // W' = M W as a leaf of its own
  masked.set_requires_grad(true);
  masked.layers[1].up.weight = (weight * mask).set_requires_grad(true);
  TrainBackend plain(masked);
  task_loss(Objective::kClass, walk(plain, batch).logits, batch).backward();

  const Tensor by_weight = masked.layers[1].up.weight.grad() * weight;
  EXPECT_LE(testing::max_gap(scores.grad(), by_weight), 1e-5);
  EXPECT_GT((scores.grad() * (1 - mask)).abs().max().item<double>(), 0)
      << "what is closed learns, too";
}

// A training of the tiny model: 5376 weights in 12 matrices of 256 and 6 of 384, 5880 parameters.
struct MovementRun : PruningRun<Movement> {
  MovementRun(const Movement::Options& options, double sparsity, int steps = 6)
      : PruningRun(options, sparsity, steps) {
    training.spec.warmup = 0;
  }
};

int64_t open_weights(const Gates& gates) {
  int64_t open = 0;
  for (const auto& [name, gate] : gates.weight) open += gate.ne(0).sum().item<int64_t>();
  return open;
}

bool is_mask(const Tensor& gate) { return gate.eq(0).logical_or(gate.eq(1)).all().item<bool>(); }

TEST(Movement, KeepsTheShareOfEachMatrixThatMeetsTheTarget) {
  MovementRun run({}, 0.5);
  const Gates gates = run.trained();
  ASSERT_EQ(gates.weight.size(), 18u);
  for (const auto& [name, gate] : gates.weight) {
    EXPECT_TRUE(is_mask(gate)) << name;
    EXPECT_FALSE(gate.requires_grad());
    // v = 1 - 0.5 x 5880 / 5376 = 0.453125.
    EXPECT_EQ(gate.sum().item<double>(), gate.numel() == 256 ? 116 : 174) << name;
  }
  EXPECT_EQ(open_weights(gates), 5376 - 2940);
  EXPECT_NEAR(Cost(testing::tiny_config()).share_gone(gates), 0.5, 1e-12);
  EXPECT_TRUE(run.pruner.eligible());
}

TEST(Movement, KeepsTheLargestScoresOfAllMatricesWhenTheScopeIsGlobal) {
  MovementRun run({.scope = "global"}, 0.5);
  const Gates gates = run.trained();
  EXPECT_EQ(open_weights(gates), 5376 - 2940);
  double smallest_open = 1e9, largest_closed = -1e9;
  bool differs = false;
  for (const auto& [name, gate] : gates.weight) {
    const Tensor score = run.pruner.scores().at(name).detach();
    const Tensor open = score.masked_fill(gate.eq(0), 1e9);
    const Tensor closed = score.masked_fill(gate.ne(0), -1e9);
    smallest_open = std::min(smallest_open, open.min().item<double>());
    largest_closed = std::max(largest_closed, closed.max().item<double>());
    differs = differs || gate.sum().item<double>() != (gate.numel() == 256 ? 116 : 174);
  }
  EXPECT_GE(smallest_open, largest_closed);
  EXPECT_TRUE(differs);
}

TEST(Movement, MeetsTheTargetWithSoftMasksThatDoNotAim) {
  MovementRun run({.mode = "soft"}, 0.5);
  const Gates gates = run.trained();
  EXPECT_EQ(open_weights(gates), 5376 - 2940);
  // In six steps no score's sigmoid falls from a half to a tenth.
  const Gates training = run.pruner.gates({4, 6, {}}, Mode::kTrain).front();
  EXPECT_EQ(open_weights(training), 5376);
  // What is folded is trained, too, once the ramp has ended.
  EXPECT_EQ(open_weights(run.pruner.gates({5, 6, {}}, Mode::kTrain).front()), 5376 - 2940);
  EXPECT_TRUE(training.weight.at("layers.0.ffn.up").requires_grad());
}

TEST(Movement, ThePenaltyLowersTheScores) {
  MovementRun run({.mode = "soft", .penalty = 1e4}, 0.5, 8);
  Trainer trainer(run.model, run.training);
  const Step last = {8, 8, {}};
  EXPECT_NEAR(run.pruner.penalty(last).item<double>(), 5000, 1e-2) << "sigmoid(0) = 1/2";
  while (!trainer.done()) trainer.step();
  EXPECT_LT(run.pruner.penalty(last).item<double>(), 4999);
  EXPECT_FALSE(run.pruner.penalty({0, 8, {}}).defined()) << "before the ramp there is none";
  EXPECT_FALSE(MovementRun({}, 0.5).pruner.penalty(last).defined()) << "hard masks need none";
}

TEST(Movement, RefusesATargetThatWeightsAloneCannotReach) {
  MovementRun run({}, 0.95);  // 5376 of 5880 are weights
  try {
    Trainer trainer(run.model, run.training);
    FAIL() << "the target was taken";
  } catch (const StatusError& error) {
    EXPECT_EQ(error.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find("0.914"), std::string::npos) << error.what();
  }
}

TEST(Movement, CountsWeightsThatAMaskHoldsAsGoneFirst) {
  MovementRun run({}, 0.5);
  Linear& up = run.model.layers[0].up;
  up.mask = at::ones_like(up.weight);
  up.mask[3] = 0;
  const Gates gates = run.trained();
  const Tensor& gate = gates.weight.at("layers.0.ffn.up");
  EXPECT_EQ(gate[3].sum().item<double>(), 0);
  EXPECT_EQ(gate.sum().item<double>(), 174);
}

TEST(Movement, TrainsNoEmbeddingsUnlessAsked) {
  MovementRun frozen({}, 0.5), asked({.freeze_embeddings = false}, 0.5);
  const Tensor before = frozen.model.word.clone();
  frozen.trained();
  asked.trained();
  EXPECT_TRUE(at::equal(before, frozen.model.word.detach()));
  EXPECT_FALSE(at::equal(before, asked.model.word.detach()));
}

}  // namespace
}  // namespace espalier
