#include "core/prune/fisher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/model/fold.h"
#include "core/model/latency_table.h"
#include "core/model/walk.h"
#include "tests/core/prune/pruning_run.h"

namespace espalier {
namespace {

using ::testing::HasSubstr;
using testing::max_gap;

// By default without a training step.
struct FisherRun : PruningRun<Fisher> {
  FisherRun(const Fisher::Options& options, double sparsity, int steps = 0)
      : PruningRun(options, sparsity, steps) {}
};

// The first unit of a sub-layer takes 10 ms, further heads 2 ms, further neurons a tenth.
LatencyTable steep_table() {
  LatencyTable table;
  table.hidden = {16};
  table.heads = {0, 1, 4};
  table.neurons = {0, 1, 24};
  table.attention = table.last_attention = {{0, 10, 16}};
  table.ffn = table.last_ffn = {{0, 10, 12.3}};
  table.rest = {5};
  return table;
}

TEST(Fisher, MeetsAnyCostWithoutATrainingStep) {
  const ModelConfig config = testing::tiny_config();
  for (const auto& cost : {std::shared_ptr<const CostFunction>(), parameters_cost(config, true),
                           macs_cost(config, 12), latency_cost(steep_table(), 3)}) {
    FisherRun run({.batches = 6}, 0.4);
    const Aim aim = {0.4, cost};
    run.pruner.aim(aim);
    const Model before = run.model.clone();
    Trainer trainer(run.model, run.training);
    EXPECT_EQ(trainer.total_steps(), 0);
    EXPECT_TRUE(trainer.done());
    trainer.finish();
    EXPECT_TRUE(run.pruner.eligible());
    const double gone = aim.cost_of(config).share_gone(trainer.final_gates());
    EXPECT_GE(gone, 0.4 - 1e-9);
    EXPECT_LE(gone, 0.55) << "a unit may take 11 % of the time";
    for (const auto& [name, tensor] : before.tensors())
      EXPECT_TRUE(at::equal(tensor, run.model.tensors().at(name).detach())) << name;
  }
}

TEST(Fisher, MeetsATimeWhetherSubLayersMayBeDroppedOrNot) {
  const Aim aim = {0.6, latency_cost(steep_table(), 3)};
  for (const bool drops : {false, true}) {
    FisherRun run({.batches = 6, .drop_sublayers = drops}, 0.6);
    run.pruner.aim(aim);
    const Gates gates = run.trained();
    EXPECT_GE(aim.cost_of(run.model.config).share_gone(gates), 0.6 - 1e-9);
    EXPECT_GT(gates.head.abs().sum().item<double>() + gates.neuron.abs().sum().item<double>(), 0);
  }
}

// Head 1 of the second layer adds nothing. One head is 4.56 % of the parameters.
TEST(Fisher, TakesWhatHasNoGradientAndLeavesTheRestAtOne) {
  FisherRun run({.batches = 6}, 0.045);
  run.model.layers[1].output.weight.narrow(1, 4, 4).zero_();
  const Gates gates = run.trained();
  Tensor expected = at::ones({3, 4});
  expected[1][1] = 0;
  EXPECT_LE(max_gap(gates.head, expected), 2e-3);
  EXPECT_LE(max_gap(gates.neuron, at::ones({3, 24})), 2e-3);
}

TEST(Fisher, TunesValuesOrLeavesMasks) {
  const Gates soft = FisherRun({.batches = 6}, 0.5).trained(),
              hard = FisherRun({.batches = 6, .tune = false}, 0.5).trained(),
              dense = FisherRun({.batches = 6, .parent = "dense"}, 0.5).trained();
  for (const auto gate : {&Gates::head, &Gates::neuron}) {
    EXPECT_TRUE(at::equal(hard.*gate, (soft.*gate).ne(0).to(at::kFloat)));
    EXPECT_TRUE(at::equal(hard.*gate, (dense.*gate).ne(0).to(at::kFloat)));
    EXPECT_GT(max_gap(hard.*gate, soft.*gate), 1e-3);
    EXPECT_GT(max_gap(dense.*gate, soft.*gate), 1e-3);
  }
}

TEST(Fisher, KeepsItsGatesThroughATraining) {
  const Gates before = FisherRun({.batches = 6}, 0.5).trained(),
              after = FisherRun({.batches = 6}, 0.5, 3).trained();
  EXPECT_TRUE(at::equal(before.head, after.head) && at::equal(before.neuron, after.neuron));
}

TEST(Fisher, IsAskedAgainForLessAndMore) {
  for (const int steps : {0, 3}) {
    FisherRun run({.batches = 6}, 0.5, steps);
    const Cost cost(run.model.config);
    Trainer trainer(run.model, run.training);
    while (!trainer.done()) trainer.step();
    trainer.finish();
    const Gates first = trainer.final_gates();
    const auto again = [&](double sparsity) {
      run.pruner.aim({sparsity});
      EXPECT_TRUE(run.pruner.check(run.model.config).ok());
      run.pruner.finish(trainer);
      return trainer.final_gates();
    };
    for (const double sparsity : {0.3, 0.7}) {
      const double gone = cost.share_gone(again(sparsity));
      EXPECT_GE(gone, sparsity - 1e-9);
      EXPECT_LE(gone, sparsity + 0.06);
    }
    const Gates back = again(0.5);
    EXPECT_TRUE(at::equal(first.head.ne(0), back.head.ne(0)));
    EXPECT_TRUE(at::equal(first.neuron.ne(0), back.neuron.ne(0)));
    // The model that was trained is then its own parent; else all is computed as it was.
    EXPECT_LE(max_gap(first.head, back.head), steps > 0 ? 5e-3 : 0);
    EXPECT_LE(max_gap(first.neuron, back.neuron), steps > 0 ? 5e-3 : 0);
  }
}

TEST(Fisher, GoesOnFromACheckpointWithoutLookingAtTheSampleAgain) {
  FisherRun run({.batches = 6}, 0.5);
  Trainer trainer(run.model, run.training);
  State state;
  trainer.save(state);
  FisherRun resumed({.batches = 1}, 0.5);
  Trainer other(resumed.model, resumed.training, &state);
  const Gates gates = trainer.final_gates(), same = other.final_gates();
  EXPECT_TRUE(at::equal(gates.head, same.head) && at::equal(gates.neuron, same.neuron));
  State saved;
  other.save(saved);
  for (const auto& [name, tensor] : state.tensors)
    EXPECT_TRUE(at::equal(tensor, saved.tensors.at(name))) << name;
}

TEST(Fisher, RefusesWhatItCannotReach) {
  const ModelConfig config = testing::tiny_config();
  Fisher fisher({});
  fisher.aim({0.95, parameters_cost(config, true)});
  const absl::Status status = fisher.check(config);
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("is reached; aim lower"));
  ModelConfig factored = config;
  factored.linears["layers.0.ffn.up"] = {LinearShape::Kind::kFactored, 2};
  fisher.aim({0.5});
  EXPECT_THAT(std::string(fisher.check(factored).message()),
              HasSubstr("layers.0.ffn.up is stored as two factors"));
  EXPECT_TRUE(fisher.check(config).ok());
}

}  // namespace
}  // namespace espalier
