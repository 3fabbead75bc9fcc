// What scores look at, and what leaves with it.
#include <gtest/gtest.h>

#include "core/prune/magnitude.h"
#include "core/prune/registry.h"
#include "core/train/trainer.h"
#include "tests/testing/tiny_model.h"

namespace espalier {
namespace {

using testing::tiny_model;

TEST(Units, HoldAllParametersOfTheLayersWithTheirNorms) {
  const Model model = tiny_model();
  const Cost cost(model.config);
  for (const Scope scope : {Scope::kLayer, Scope::kSublayer}) {
    double parameters = 0;
    for (const Unit& unit : units_of(model, scope, cost)) parameters += unit.cost;
    EXPECT_EQ(parameters, count(model.config, 1).encoder_parameters);
  }
}

TEST(Units, OfOneHeadAreItsRowsAndColumnsAlone) {
  Model model = tiny_model();
  torch::NoGradGuard no_grad;
  const Unit heads = units_of(model, Scope::kStructure, Cost(model.config)).front();
  ASSERT_EQ(heads.kind, Unit::Kind::kHead);
  const Tensor before = unit_weights(model, heads).clone();
  EXPECT_EQ(before.size(1), heads.cost);
  Layer& layer = model.layers[0];
  layer.key.weight[5].add_(1);               // row 5 is head 1's
  layer.output.weight.select(1, 6).add_(1);  // so is column 6
  const Tensor changed = (unit_weights(model, heads) - before).ne(0).sum(1);
  EXPECT_TRUE(changed.equal(torch::tensor({int64_t{0}, int64_t{32}, int64_t{0}, int64_t{0}})));
}

TEST(Magnitude, OfANeuronIsTheSumOfSquaresOfItsWeights) {
  const Model model = tiny_model();
  for (const Unit& unit : units_of(model, Scope::kStructure, Cost(model.config))) {
    if (unit.kind != Unit::Kind::kNeuron || unit.layer != 1) continue;
    const Layer& layer = model.layers[1];
    const Tensor expected = layer.up.weight.square().sum(1) + layer.up.bias.square() +
                            layer.down.weight.square().sum(0);
    EXPECT_LE(testing::max_gap(MagnitudeScore().value(unit, model), expected), 1e-4);
  }
}

// The gates that a pruner ends with after a short training.
Gates pruned(const char* name, const Json& options, double sparsity, uint64_t seed = 1) {
  static const Examples examples = testing::tiny_examples(64);
  static const std::unique_ptr<Task> task = *make_task("text-classification");
  auto pruner = *pruners().make(name, options);
  pruner->aim({sparsity});
  Training training;
  training.phase = "prune";
  training.seed = seed;
  training.spec.steps = 4;
  training.spec.batch_size = training.spec.micro_batch_size = 8;
  training.task = task.get();
  training.train = &examples;
  training.pruner = pruner.get();
  Model model = tiny_model();
  Trainer trainer(model, training);
  while (!trainer.done()) trainer.step();
  trainer.finish();
  return trainer.final_gates();
}

TEST(DropLayers, TakesWholeLayersFromTheTop) {
  const Gates gates = pruned("drop_layers", {}, 0.5);
  EXPECT_EQ(gates.attention_on, (std::vector<bool>{true, false, false}));
  EXPECT_EQ(gates.ffn_on, gates.attention_on);
  EXPECT_EQ(pruned("drop_layers", {{"order", "alternate"}}, 0.5).ffn_on,
            (std::vector<bool>{false, true, false}));
}

TEST(DropLayers, HasCutBeforeTheFirstStep) {
  auto pruner = *pruners().make("drop_layers", nullptr);
  pruner->aim({0.3});
  Examples examples = testing::tiny_examples(8);
  const std::unique_ptr<Task> task = *make_task("text-classification");
  Training training;
  training.phase = "prune";
  training.spec.steps = 4;
  training.spec.batch_size = training.spec.micro_batch_size = 8;
  training.task = task.get();
  training.train = &examples;
  training.pruner = pruner.get();
  Model model = tiny_model();
  Trainer trainer(model, training);
  EXPECT_EQ(trainer.final_gates().ffn_on, (std::vector<bool>{true, true, false}));
}

TEST(Scopes, OfTaylorMayBeSublayersAndLayers) {
  const Gates sublayers = pruned("taylor", {{"scope", "sublayer"}, {"interval", 1}}, 0.3);
  EXPECT_TRUE(sublayers.attention.defined() && !sublayers.head.defined());
  EXPECT_EQ(at::cat({sublayers.attention, sublayers.ffn}).eq(0).sum().item<int64_t>(), 2);
  const Gates layers = pruned("taylor", {{"scope", "layer"}, {"interval", 1}}, 0.3);
  EXPECT_TRUE(at::equal(layers.attention, layers.ffn));
  EXPECT_EQ(layers.attention.eq(0).sum().item<int64_t>(), 1);
}

TEST(Random, DrawsAnotherOrderForAnotherSeedAndTheSameForTheSame) {
  const Json options = {{"scope", "structure"}, {"interval", 1}};
  const Gates one = pruned("random", options, 0.5), again = pruned("random", options, 0.5);
  EXPECT_TRUE(at::equal(one.neuron, again.neuron));
  EXPECT_FALSE(at::equal(one.neuron, pruned("random", options, 0.5, 2).neuron));
  EXPECT_GT(one.neuron.eq(0).sum().item<int64_t>(), 0);
  EXPECT_LT(one.neuron.eq(0).sum().item<int64_t>(), one.neuron.numel());
}

}  // namespace
}  // namespace espalier
