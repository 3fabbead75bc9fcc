#include "core/prune/cofi.h"

#include <gtest/gtest.h>

#include "core/model/walk.h"
#include "core/train/evaluate.h"
#include "tests/core/prune/pruning_run.h"

namespace espalier {
namespace {

// BERT base.
ModelConfig base_config() {
  ModelConfig config;
  config.hidden = 768;
  config.original_heads = 12;
  for (int i = 0; i < 12; ++i)
    config.layers.push_back({{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, 64, 3072});
  return config;
}

Gates open_with(double coarse, double neuron) {
  Gates open;
  open.hidden = at::full({768}, coarse, at::kDouble);
  open.attention = at::full({12}, coarse, at::kDouble);
  open.ffn = at::full({12}, coarse, at::kDouble);
  open.head = at::full({12, 12}, coarse, at::kDouble);
  open.neuron = at::full({12, 3072}, neuron, at::kDouble);
  return open;
}

double probability(double log_alpha) {
  return HardConcrete().open_probability(torch::tensor({log_alpha}, at::kDouble)).item<double>();
}

TEST(CofiSparsity, IsThePapersForOpenClampedAndFreshGates) {
  const ModelConfig config = base_config();
  const auto sparsity = [&](const Gates& open) {
    return cofi_expected_sparsity(config, open).item<double>();
  };
  EXPECT_NEAR(sparsity(open_with(1, 1)), 0.000542, 5e-7);
  EXPECT_NEAR(sparsity({}), 0.000542, 5e-7) << "gates that are not there are open";
  const double highest = probability(4.60517);
  EXPECT_NEAR(sparsity(open_with(highest, highest)), 0.00658, 5e-6);
  EXPECT_NEAR(sparsity(open_with(highest, probability(0))), 0.1168, 5e-5);
}

TEST(CofiSparsity, HasTheGradientOfSmallSteps) {
  const ModelConfig config = testing::tiny_config();
  auto at_logits = [&](const Tensor& logits) {
    Gates open;
    open.neuron = HardConcrete().open_probability(logits);
    open.attention = at::full({3}, 0.7, at::kDouble);
    return cofi_expected_sparsity(config, open);
  };
  Lagrangian lagrangian;
  torch::NoGradGuard no_grad;
  Tensor multipliers = lagrangian.multipliers();
  multipliers.copy_(torch::tensor({-0.4, 3.0}, at::kDouble));
  Tensor logits = at::zeros({3, 24}, at::kDouble);
  const auto penalty = [&] { return lagrangian.penalty(at_logits(logits), 0.6).item<double>(); };
  Tensor gradient;
  {
    torch::AutoGradMode with_grad(true);
    Tensor leaf = logits.clone().set_requires_grad(true);
    lagrangian.penalty(at_logits(leaf), 0.6).backward();
    gradient = leaf.grad();
  }
  const double step = 1e-5;
  for (const int64_t neuron : {0, 7}) {
    logits[1][neuron] = step;
    const double above = penalty();
    logits[1][neuron] = -step;
    const double below = penalty();
    logits[1][neuron] = 0;
    EXPECT_NEAR(gradient[1][neuron].item<double>(), (above - below) / (2 * step), 1e-9);
  }
}

using Pruning = PruningRun<Cofi>;

TEST(Cofi, MultipliersPushTowardsTheTargetWhileItIsMissed) {
  Pruning run({.begin = 0, .ramp_end = 0, .exact = false}, 0.9, 20);
  Trainer trainer(run.model, run.training);
  double before = 0;
  for (int i = 0; i < 8; ++i) {
    trainer.step();
    const Tensor now = run.pruner.multipliers();
    EXPECT_LT(now[0].item<double>(), 0) << "too little is gone";
    EXPECT_GT(now[1].item<double>(), before);
    before = now[1].item<double>();
  }
}

TEST(Cofi, ReachesItsTargetByTrainingAlone) {
  Pruning run({.begin = 0,
               .ramp_end = 0.3,
               .gate_learning_rate = 0.1,
               .multiplier_learning_rate = 0.1,
               .epsilon = 0.05,
               .exact = false},
              0.6, 300);
  Trainer trainer(run.model, run.training);
  while (!trainer.done()) trainer.step();
  EXPECT_TRUE(run.pruner.eligible());
  const Cost cost(run.model.config);
  EXPECT_NEAR(1 - cost.actual(trainer.final_gates()) / cost.dense(), 0.6, 0.12);
}

TEST(Cofi, DrawsOnceAStepAndTheSameAgain) {
  Pruning run({.begin = 0}, 0.5, 10);
  Trainer trainer(run.model, run.training);
  const auto drawn = [&](int64_t index) {
    const Step step{index, 10, {}};
    run.pruner.before_step(trainer, step);
    return run.pruner.gates(step, Mode::kTrain).front();
  };
  const Gates one = drawn(3), again = drawn(3), other = drawn(4);
  EXPECT_TRUE(at::equal(one.neuron, again.neuron));
  EXPECT_FALSE(at::equal(one.neuron, other.neuron));
  EXPECT_TRUE(one.neuron.requires_grad());
}

TEST(Cofi, ActsFromItsBeginOnAndNotBefore) {
  Pruning run({.begin = 0.5}, 0.5, 10);
  Trainer trainer(run.model, run.training);
  EXPECT_TRUE(run.pruner.gates({4, 10, {}}, Mode::kTrain).front().empty());
  EXPECT_FALSE(run.pruner.penalty({4, 10, {}}).defined());
  EXPECT_FALSE(run.pruner.gates({5, 10, {}}, Mode::kTrain).front().empty());
  EXPECT_TRUE(run.pruner.penalty({5, 10, {}}).defined());
}

TEST(Cofi, KeepsTheBestStateThatIsSmallEnoughAndItsGates) {
  Pruning run(
      {.begin = 0, .ramp_end = 0.2, .gate_learning_rate = 0.1, .multiplier_learning_rate = 0.1},
      0.5, 120);
  run.training.select = &run.held_out;
  run.training.spec.evaluate_every = 10;
  Trainer trainer(run.model, run.training);
  while (!trainer.done()) trainer.step();
  trainer.finish();
  const Cost cost(run.model.config);
  EXPECT_GE(1 - cost.actual(trainer.final_gates()) / cost.dense(), 0.5 - 1e-9);
  // The gates that were selected with the weights, not the last ones.
  const double metric = trainer.metrics().at("select_metric");
  EXPECT_NEAR(first_metric(run.model, trainer.final_gates(), run.held_out, *run.task), metric,
              1e-9);
}

// Whatever the logits are, the target is met, and one unit less would miss it.
TEST(Cofi, IsExactForAnyLogits) {
  const ModelConfig config = testing::tiny_config();
  const Cost cost(config);
  for (const double spread : {0.0, 3.0}) {  // 0: all alike, at the clamp
    for (const double sparsity : {0.1, 0.5, 0.9}) {
      Pruning run({.begin = 0, .ramp_end = 0}, sparsity, 4);
      Trainer trainer(run.model, run.training);
      torch::NoGradGuard no_grad;
      auto generator = at::detail::createCPUGenerator(7);
      for (Tensor& logits : run.pruner.log_alpha().tensors()) {
        logits.fill_(4.6);
        if (spread > 0) logits.normal_(1, spread, generator).clamp_(-4.6, 4.6);
      }
      const Gates gates = run.pruner.gates({4, 4, {}}, Mode::kEval).front();
      const double gone = cost.share_gone(gates);
      EXPECT_GE(gone, sparsity - 1e-9);
      if (spread == 0) EXPECT_LE(gone, sparsity + 0.05);
    }
  }
}

TEST(Cofi, BringsSubLayersBackWhereTheyAreMoreThanEnough) {
  Pruning run({.begin = 0, .ramp_end = 0}, 0.3, 4);
  Trainer trainer(run.model, run.training);
  {
    torch::NoGradGuard no_grad;
    run.pruner.log_alpha().attention.fill_(-3);
    run.pruner.log_alpha().ffn.copy_(torch::tensor({-4.0, -3.5, -3.0}));
  }
  const Gates gates = run.pruner.gates({4, 4, {}}, Mode::kEval).front();
  const double gone = Cost(run.model.config).share_gone(gates);
  EXPECT_GE(gone, 0.3 - 1e-9);
  EXPECT_LE(gone, 0.5) << "with all of them gone it would be 1";
  EXPECT_GT(gates.attention.ne(0).sum().item<int64_t>(), 0);
}

TEST(Cofi, SaysFromShapesWhatItCannotReach) {
  const ModelConfig config = testing::tiny_config();
  Cofi pruner({.prune_hidden = false});
  const auto cost = parameters_cost(config, /*all=*/true);
  pruner.aim({0.99, cost});  // embeddings and head are more than a hundredth
  EXPECT_TRUE(absl::IsInvalidArgument(pruner.check(config)));
  pruner.aim({0.3, cost});
  EXPECT_TRUE(pruner.check(config).ok());
  ModelConfig words = config;
  words.head = HeadKind::kMaskedLm;
  EXPECT_TRUE(pruner.check(words).ok());
  Cofi with_hidden{{}};
  with_hidden.aim({0.3});
  EXPECT_TRUE(absl::IsInvalidArgument(with_hidden.check(words)));
  ModelConfig factored = config;
  factored.linears["layers.0.ffn.up"] = {LinearShape::Kind::kFactored, 3};
  EXPECT_TRUE(absl::IsInvalidArgument(with_hidden.check(factored)));
}

TEST(Cofi, LeavesEmbeddingsAlone) {
  Pruning run({.begin = 0}, 0.5, 4);
  const Tensor before = run.model.word.clone();
  Trainer trainer(run.model, run.training);
  while (!trainer.done()) trainer.step();
  EXPECT_TRUE(at::equal(before, run.model.word.detach()));
}

}  // namespace
}  // namespace espalier
