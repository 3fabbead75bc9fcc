#include "core/prune/block_movement.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/model/fold.h"
#include "core/model/walk.h"
#include "tests/core/prune/pruning_run.h"

namespace espalier {
namespace {

Tensor matrix(const std::vector<float>& values, int64_t columns) {
  return torch::tensor(values).view({-1, columns});
}

TEST(Blocks, HaveTheLargestSideThatDividesAndIsNotLonger) {
  EXPECT_EQ(divisor_up_to(64, 32), 32);
  EXPECT_EQ(divisor_up_to(16, 32), 16);
  EXPECT_EQ(divisor_up_to(24, 10), 8);
  EXPECT_EQ(divisor_up_to(7, 3), 1);
}

TEST(Blocks, StandForAllTheirWeights) {
  const Tensor blocks = matrix({1, 0, 0, 1}, 2).set_requires_grad(true);
  const Tensor weights = expand_blocks(blocks, {2, 2});
  EXPECT_TRUE(at::equal(weights.detach(), matrix({1, 1, 0, 0,  //
                                                  1, 1, 0, 0,  //
                                                  0, 0, 1, 1,  //
                                                  0, 0, 1, 1},
                                                 4)));
  (weights * at::arange(16, at::kFloat).view({4, 4})).sum().backward();
  // 0 + 1 + 4 + 5 and so on.
  EXPECT_TRUE(at::equal(blocks.grad(), matrix({10, 18, 42, 50}, 2)));
  EXPECT_EQ(expand_blocks(at::ones({2, 3}), {4, 5}).sizes().vec(), (std::vector<int64_t>{8, 15}));
}

TEST(Blocks, OfAHeadLieInRowsOrInColumns) {
  const Tensor blocks = matrix({0, 1, 2, 3, 4, 5, 6, 7}, 2);  // 4 x 2
  EXPECT_TRUE(
      at::equal(head_slices(blocks, 2, HeadAxis::kRows), matrix({0, 1, 2, 3, 4, 5, 6, 7}, 4)));
  EXPECT_TRUE(
      at::equal(head_slices(blocks, 2, HeadAxis::kColumns), matrix({0, 2, 4, 6, 1, 3, 5, 7}, 4)));
  for (const HeadAxis axis : {HeadAxis::kRows, HeadAxis::kColumns}) {
    EXPECT_TRUE(at::equal(from_head_slices(head_slices(blocks, 2, axis), blocks, axis), blocks));
  }
}

TEST(Blocks, AHeadStaysWhileEachOfItsSlicesHasAnOpenBlock) {
  const Tensor all = at::ones({4, 1}), some = matrix({1, 0, 1, 1}, 1), row = at::ones({1, 4});
  const Tensor second_gone = matrix({1, 1, 0, 0}, 1), first_gone = matrix({0, 0, 1, 0}, 4);
  const auto stays = [](const std::vector<Tensor>& open, const std::vector<bool>& expected) {
    const Tensor whole = whole_heads(open, 2);
    return whole[0].item<bool>() == expected[0] && whole[1].item<bool>() == expected[1];
  };
  EXPECT_TRUE(stays({some, some, all, row}, {true, true}));
  EXPECT_TRUE(stays({second_gone, all, all, row}, {true, false}));
  EXPECT_TRUE(stays({all, all, second_gone, row}, {true, false}));
  EXPECT_TRUE(stays({all, all, all, first_gone}, {false, true}));
}

TEST(Blocks, RefilledWeightsStartNearTheMeanOfTheOpenOnes) {
  const Tensor weight = matrix({1, 3, 5, 7}, 2), open = matrix({1, 1, 0, 1}, 2).ne(0);
  // Of 1, 3 and 7 the mean is 11 / 3 and the variance 56 / 9.
  const Tensor filled = refilled(weight, open, at::full({2, 2}, 2.0));
  EXPECT_NEAR(filled[1][0].item<double>(), 11.0 / 3 + 0.02 * std::sqrt(56.0 / 9), 1e-5);
  EXPECT_TRUE(at::equal(filled.masked_select(open), weight.masked_select(open)));
}

// A training of the tiny model: 3 layers of 4 heads with 268 parameters each, of 24 neurons with
// 33, and of twice 48 besides; 5880 in all.
struct BlockRun : PruningRun<BlockMovement> {
  BlockRun(const BlockMovement::Options& options, double sparsity, int steps = 6)
      : PruningRun(options, sparsity, steps) {
    training.spec.warmup = 0;
  }
  // Sets scores of a pruner that is prepared.
  Tensor score(const std::string& name) { return pruner.scores().at(name).detach(); }
  void level_scores() {
    for (const auto& [name, score] : pruner.scores().all()) score.detach().fill_(1);
  }
};

constexpr char kQuery[] = "layers.0.attention.query";

TEST(BlockMovement, AHeadGoesWithTheLastBlockOfASlice) {
  BlockRun run({.block_cols = 8, .keep_one = false}, 1.0 / 5880);
  Trainer trainer(run.model, run.training);
  run.level_scores();
  run.score(kQuery)[0][0] = -1;  // and of equal scores the first goes next, which is [0][1]
  const Gates gates = run.pruner.gates({6, 6, {}}, Mode::kEval).front();
  EXPECT_TRUE(at::equal(gates.head, matrix({0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 4)));
  EXPECT_TRUE(gates.neuron.eq(1).all().item<bool>());
  EXPECT_TRUE(gates.weight.empty());
  EXPECT_NEAR(Cost(run.model.config).actual(gates), 5880 - 268, 1e-6);
}

TEST(BlockMovement, WithoutFillingABlockGoesFromAHeadThatStays) {
  BlockRun run({.block_cols = 8, .keep_one = false, .fill = false}, 1.0 / 5880);
  Trainer trainer(run.model, run.training);
  run.level_scores();
  run.score(kQuery)[0][0] = -1;
  const Gates gates = run.pruner.gates({6, 6, {}}, Mode::kEval).front();
  EXPECT_TRUE(gates.head.eq(1).all().item<bool>());
  ASSERT_EQ(gates.weight.size(), 1u);
  Tensor expected = at::ones({16, 16});
  expected.narrow(0, 0, 4).narrow(1, 0, 8).fill_(0);
  EXPECT_TRUE(at::equal(gates.weight.at(kQuery), expected));
  EXPECT_NEAR(Cost(run.model.config).actual(gates), 5880 - 32, 1e-6);
}

TEST(BlockMovement, BlocksOfAHeadThatGoesAreCountedOnce) {
  BlockRun run({.block_cols = 8, .keep_one = false, .fill = false}, 268.0 / 5880);
  Trainer trainer(run.model, run.training);
  run.level_scores();
  run.score(kQuery)[0].fill_(-1);
  const Gates gates = run.pruner.gates({6, 6, {}}, Mode::kEval).front();
  EXPECT_EQ(gates.head.sum().item<double>(), 11);
  EXPECT_TRUE(gates.weight.empty()) << "the head's gate takes them";
  EXPECT_NEAR(Cost(run.model.config).actual(gates), 5880 - 268, 1e-6);
}

TEST(BlockMovement, MasksThatStayInsideAreFoldedAndCountedAsTheyAre) {
  BlockRun run({.block_rows = 2, .block_cols = 4, .fill = false}, 0.5);
  const Gates gates = run.trained();
  const Cost cost(testing::tiny_config());
  EXPECT_GE(cost.share_gone(gates), 0.5 - 1e-9);
  EXPECT_LE(cost.share_gone(gates), 0.56);
  Model folded = fold(run.model, gates);
  double kept = count(folded.config, 1).encoder_parameters;
  folded.for_each_linear([&](const std::string&, Linear& linear) {
    if (linear.mask.defined()) kept -= linear.mask.eq(0).sum().item<double>();
  });
  EXPECT_NEAR(kept, cost.actual(gates), 1e-6);
  torch::NoGradGuard no_grad;
  const Batch batch = testing::tiny_batch(run.examples, 16);
  TrainBackend gated(run.model), plain(folded);
  EXPECT_LE(testing::max_gap(walk(gated, batch, gates).logits, walk(plain, batch).logits), 1e-5);
}

TEST(BlockMovement, KeepsAHeadAndANeuronALayerWhereTheTargetCanBeMetWithThem) {
  BlockRun run({}, 0.75);  // 0.797 is gone when one of each is left
  const Gates gates = run.trained();
  EXPECT_GE(gates.head.sum(1).min().item<double>(), 1);
  EXPECT_GE(gates.neuron.sum(1).min().item<double>(), 1);
  EXPECT_GE(Cost(testing::tiny_config()).share_gone(gates), 0.75 - 1e-9);
  EXPECT_TRUE(run.pruner.eligible());
}

TEST(BlockMovement, MeetsATargetThatLeavesNoRoomForOneOfEach) {
  BlockRun run({}, 0.9);
  const Gates gates = run.trained();
  EXPECT_GE(Cost(testing::tiny_config()).share_gone(gates), 0.9 - 1e-9);
}

TEST(BlockMovement, ThePenaltyLowersTheScores) {
  BlockRun run({.penalty = 1e4}, 0.5, 8);
  Trainer trainer(run.model, run.training);
  const Step last = {8, 8, {}};
  EXPECT_NEAR(run.pruner.penalty(last).item<double>(), 5000, 1e-2) << "half of both groups' means";
  while (!trainer.done()) trainer.step();
  EXPECT_LT(run.pruner.penalty(last).item<double>(), 4999);
}

TEST(BlockMovement, ClosesInTrainingWhatIsBelowTheThreshold) {
  BlockRun run({}, 0.5);
  Trainer trainer(run.model, run.training);
  run.score(kQuery)[1][0] = -5;
  run.score("layers.2.ffn")[7] = -5;
  const Gates gates = run.pruner.gates({4, 6, {}}, Mode::kTrain).front();
  ASSERT_EQ(gates.weight.size(), 12u);
  const Tensor query = gates.weight.at(kQuery);
  EXPECT_EQ(query.narrow(0, 4, 4).abs().sum().item<double>(), 0);
  EXPECT_EQ(query.sum().item<double>(), 12 * 16);
  EXPECT_EQ(gates.neuron[2][7].item<double>(), 0);
  EXPECT_EQ(gates.neuron.sum().item<double>(), 3 * 24 - 1);
  EXPECT_TRUE(query.requires_grad());
  EXPECT_TRUE(gates.neuron.requires_grad());
}

// Half of a head's slice of q is closed, and the head stays.
TEST(BlockMovement, FillsWhatMasksHeldAtZeroInsideOfWhatStays) {
  BlockRun run({.block_cols = 8, .score_learning_rate = 0}, 0.005, 2);
  run.training.spec.learning_rate = 0;
  const Model before = run.model.clone();
  Trainer trainer(run.model, run.training);
  run.score(kQuery)[1][0] = -5;       // rows 4 to 7, columns 0 to 7
  run.score("layers.2.ffn")[7] = -5;  // a neuron, which goes
  const auto block = [](const Tensor& weight) { return weight.narrow(0, 4, 4).narrow(1, 0, 8); };
  while (!trainer.done()) trainer.step();
  const Gates seen = trainer.final_gates();
  EXPECT_EQ(block(seen.weight.at(kQuery)).abs().max().item<double>(), 0) << "as it was trained";
  trainer.finish();
  const Gates folded = trainer.gates_to_fold();
  EXPECT_TRUE(folded.weight.empty()) << "and dense when it is folded";
  EXPECT_EQ(folded.head.sum().item<double>(), 3 * 4);
  EXPECT_EQ(folded.neuron[2][7].item<double>(), 0);
  const Layer& first = run.model.layers[0];
  Tensor open = at::ones({16, 16}, at::kBool);
  block(open).fill_(false);
  const Tensor was = before.layers[0].query.weight, now = first.query.weight.detach();
  const Tensor kept = was.masked_select(open);
  EXPECT_TRUE(at::equal(now.masked_select(open), kept));
  const Tensor gap = (block(now) - kept.mean()).abs().max();
  EXPECT_GT(gap.item<double>(), 0);
  EXPECT_LE(gap.item<double>(), 0.06 * kept.std().item<double>());
  EXPECT_TRUE(at::equal(first.key.weight.detach(), before.layers[0].key.weight));
}

}  // namespace
}  // namespace espalier
