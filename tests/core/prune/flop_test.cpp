#include "core/prune/flop.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/base/guard.h"
#include "core/model/fold.h"
#include "core/model/walk.h"
#include "tests/core/prune/pruning_run.h"

namespace espalier {
namespace {

TEST(LowRank, KeepsTheLargestSingularValuesSharedOutEvenly) {
  const Tensor weight = at::diag(torch::tensor({3.0F, 1.0F, 2.0F}));
  const LowRank two = truncated_svd(weight, 2);
  EXPECT_EQ(two.up.sizes().vec(), (std::vector<int64_t>{3, 2}));
  EXPECT_EQ(two.down.sizes().vec(), (std::vector<int64_t>{2, 3}));
  const Tensor expected = at::diag(torch::tensor({3.0F, 0.0F, 2.0F}));
  EXPECT_LE(testing::max_gap(at::matmul(two.up, two.down), expected), 1e-6);
  EXPECT_NEAR(two.up.norm().item<double>(), two.down.norm().item<double>(), 1e-6);
  EXPECT_TRUE(two.up.is_contiguous() && two.down.is_contiguous());
}

TEST(LowRank, HoldsNoMoreThanTheMatrixAtTheEvenRank) {
  EXPECT_EQ(even_rank(16, 16), 8);
  EXPECT_EQ(even_rank(24, 16), 9);  // 9 x 40 = 360 of 384
  EXPECT_EQ(even_rank(768, 768), 384);
  EXPECT_EQ(even_rank(3072, 768), 614);
  EXPECT_EQ(even_rank(1, 5), 1);
}

TEST(LowRank, AtFullRankAModelOfFactorsAnswersAsBefore) {
  const Model model = testing::tiny_model();
  Model factored = model.clone();
  Gates open;
  factored.for_each_linear([&](const std::string& name, Linear& linear) {
    const int64_t rank = std::min(linear.inputs(), linear.outputs());
    const LowRank factors = truncated_svd(linear.weight, rank);
    linear.up = factors.up;
    linear.down = factors.down;
    linear.weight = Tensor();
    open.rank[name] = at::ones({rank});
  });
  open.seal(factored.config);
  torch::NoGradGuard no_grad;
  const Batch batch = testing::tiny_batch(testing::tiny_examples(16), 16);
  TrainBackend dense(model), gated(factored);
  EXPECT_LE(testing::max_gap(walk(dense, batch).logits, walk(gated, batch, open).logits), 1e-4);
}

TEST(ExpectedRankParameters, AreThoseBesideAndAComponentsSizeForEachThatIsOpen) {
  const Tensor half = torch::tensor({1.0, 0.5}, at::kDouble).set_requires_grad(true);
  const Tensor quarter = torch::tensor({0.25}, at::kDouble);
  const Tensor size = expected_rank_parameters({5, 7}, {half, quarter}, 10);
  EXPECT_DOUBLE_EQ(size.item<double>(), 10 + 5 * 1.5 + 7 * 0.25);
  size.backward();
  EXPECT_TRUE(at::equal(half.grad(), torch::tensor({5.0, 5.0}, at::kDouble)));
}

// A training of the tiny model: 5880 parameters, of which 504 are biases and norms; its factors
// have 12 times 8 components of 32 and 6 times 9 of 40.
struct FlopRun : PruningRun<Flop> {
  using PruningRun::PruningRun;
  double left(const Gates& gates) const {
    return count(fold(model, gates).config, 1).encoder_parameters;
  }
};

TEST(Flop, PutsTwoFactorsInThePlaceOfEachMatrix) {
  FlopRun run({}, 0.5);
  Trainer trainer(run.model, run.training);
  EXPECT_EQ(run.model.config.linears.size(), 18u);
  EXPECT_EQ(run.model.config.linears.at("layers.2.attention.value").rank, 8);
  EXPECT_EQ(run.model.config.linears.at("layers.2.ffn.down").rank, 9);
  EXPECT_TRUE(run.model.layers[1].up.factored());
  EXPECT_FALSE(run.model.layers[1].up.weight.defined());
  EXPECT_TRUE(run.model.layers[1].up.up.requires_grad()) << "factors are trained";
  EXPECT_EQ(count(run.model.config, 1).encoder_parameters, 504 + 12 * 256 + 6 * 360);
}

TEST(Flop, MeetsTheTargetToTheComponent) {
  for (const double sparsity : {0.1, 0.5, 0.8}) {
    FlopRun run({}, sparsity);
    const Gates gates = run.trained();
    const double budget = 5880 * (1 - sparsity);
    EXPECT_LE(run.left(gates), budget + 1e-6) << sparsity;
    EXPECT_GT(run.left(gates), budget - 40) << "the largest component has 40";
    for (const auto& [name, gate] : gates.rank) {
      EXPECT_TRUE(gate.ne(0).any().item<bool>()) << name << " keeps a component";
      EXPECT_FALSE(gate.requires_grad());
    }
    EXPECT_TRUE(run.pruner.eligible());
  }
}

TEST(Flop, OpensEveryComponentWhereNothingIsToGo) {
  FlopRun run({}, 0);
  const Gates gates = run.trained();
  EXPECT_EQ(run.left(gates), 504 + 12 * 256 + 6 * 360);
}

TEST(Flop, MultipliersFollowTheGap) {
  FlopRun under({.warmup = 0}, 0.8), over({.warmup = 0}, 0);  // a tenth is expected to be gone
  Trainer first(under.model, under.training), second(over.model, over.training);
  double before = 0;
  for (int i = 0; i < 4; ++i) {
    first.step();
    second.step();
    EXPECT_LT(under.pruner.multipliers()[0].item<double>(), 0) << "too little is gone";
    EXPECT_GT(over.pruner.multipliers()[0].item<double>(), 0) << "too much is gone";
    const double square = under.pruner.multipliers()[1].item<double>();
    EXPECT_GT(square, before);
    before = square;
  }
}

TEST(Flop, MultipliersCloseComponentsByTraining) {
  FlopRun run(
      {.warmup = 0, .gate_learning_rate = 0.1, .multiplier_learning_rate = 10, .exact = false}, 0.8,
      60);
  Trainer trainer(run.model, run.training);
  const double before = run.left(trainer.final_gates());
  while (!trainer.done()) trainer.step();
  EXPECT_GT(before, 0.8 * 5880);
  EXPECT_LT(run.left(trainer.final_gates()), 0.7 * 5880);
}

TEST(Flop, DrawsOnceAStepAndTheSameAgain) {
  FlopRun run({}, 0.5);
  Trainer trainer(run.model, run.training);
  const auto drawn = [&](int64_t index) {
    const Step step{index, 6, {}};
    run.pruner.before_step(trainer, step);
    return run.pruner.gates(step, Mode::kTrain).front().rank.at("layers.0.ffn.up");
  };
  const Tensor one = drawn(3), again = drawn(3), other = drawn(4);
  EXPECT_TRUE(at::equal(one.detach(), again.detach()));
  EXPECT_FALSE(at::equal(one.detach(), other.detach()));
  EXPECT_TRUE(one.requires_grad());
}

TEST(Flop, RefusesATargetThatOneComponentEachDoesNotLeaveRoomFor) {
  FlopRun run({}, 0.85);  // 504 + 12 x 32 + 6 x 40 of 5880 must stay
  try {
    Trainer trainer(run.model, run.training);
    FAIL() << "the target was taken";
  } catch (const StatusError& error) {
    EXPECT_EQ(error.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find("0.808"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace espalier
