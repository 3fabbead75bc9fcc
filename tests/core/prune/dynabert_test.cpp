// The authors' numbers are those of their own code (huawei-noah/Pretrained-Language-Model at
// 0598f02), run in float64 with compute_neuron_head_importance() taken out of DynaBERT/run_glue.py:
// their BertForSequenceClassification in evaluation with the shapes of authors_model(), its tensors
// filled in that order by the same formula, and a data set of the two rows of authors_rows(),
// padded to four tokens, as one batch of two. With the data set repeated, its second batch added
// twice as much again, because gradients add up there.
#include "core/prune/dynabert.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "core/base/guard.h"
#include "core/model/fold.h"
#include "core/prune/registry.h"
#include "tests/core/prune/pruning_run.h"

namespace espalier {
namespace {

using Places = std::vector<int64_t>;

Tensor rows_of(const std::vector<std::vector<double>>& rows) {
  std::vector<Tensor> out;
  for (const auto& row : rows) out.push_back(torch::tensor(row, at::kDouble));
  return at::stack(out);
}

TEST(Multipliers, AreSpacedEvenly) {
  EXPECT_EQ(evenly_down_to(0.25, 4), (std::vector<double>{1, 0.75, 0.5, 0.25}));
  EXPECT_EQ(evenly_down_to(0.5, 3), (std::vector<double>{1, 0.75, 0.5}));
  EXPECT_EQ(evenly_down_to(0.5, 1), std::vector<double>{1});
}

TEST(Depths, KeepThePapersLayers) {
  EXPECT_EQ(layers_of_depth(12, 0.75), (Places{0, 1, 2, 4, 5, 6, 8, 9, 10}));
  EXPECT_EQ(layers_of_depth(12, 0.5), (Places{0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(layers_of_depth(4, 1), (Places{0, 1, 2, 3}));
  EXPECT_EQ(layers_of_depth(3, 0.05), Places{0}) << "one layer stays";
}

TEST(NeuronSaliency, IsOfItsRowWithItsBiasAndOfItsColumn) {
  const auto with_grad = [](const Tensor& value, const Tensor& grad) {
    Tensor out = value.clone().set_requires_grad(true);
    out.mutable_grad() = grad;
    return out;
  };
  Linear up, down;  // two neurons between two dimensions
  up.weight = with_grad(torch::tensor({{1.0, 2.0}, {3.0, -1.0}}),
                        torch::tensor({{0.5, -1.0}, {1.0, 1.0}}));              // -1.5, 2
  up.bias = with_grad(torch::tensor({2.0, 1.0}), torch::tensor({0.25, -5.0}));  // 0.5, -5
  down.weight = with_grad(torch::tensor({{1.0, 4.0}, {2.0, 1.0}}),
                          torch::tensor({{2.0, -1.0}, {1.0, 1.0}}));  // 4, -3
  const Tensor saliency = neuron_saliency(up, down);
  EXPECT_TRUE(at::equal(saliency, torch::tensor({1.0 + 4.0, 3.0 + 3.0}).to(saliency.dtype())));
  EXPECT_FALSE(saliency.requires_grad());
}

// Layers of four heads and eight neurons.
Tensor head_values() { return rows_of({{1, 4, 2, 3}, {9, 8, 7, 6}}); }
Tensor neuron_values() { return rows_of({{1, 2, 3, 4, 5, 6, 7, 8}, {8, 1, 7, 2, 6, 3, 5, 4}}); }

ModelConfig two_layers() {
  ModelConfig config = testing::tiny_config();
  config.layers.assign(2, {{0, 1, 2, 3}, 4, 8});
  return config;
}

TEST(Subnetworks, KeepTheMostImportantUnits) {
  const Gates half = Subnetworks(two_layers(), head_values(), neuron_values()).at(0.5, 1);
  EXPECT_TRUE(at::equal(half.head, rows_of({{0, 1, 0, 1}, {1, 1, 0, 0}})));
  EXPECT_TRUE(
      at::equal(half.neuron, rows_of({{0, 0, 0, 0, 1, 1, 1, 1}, {1, 0, 1, 0, 1, 0, 1, 0}})));
  EXPECT_TRUE(half.attention.eq(1).all().item<bool>());
}

TEST(Subnetworks, LieWithinWiderOnes) {
  const Subnetworks family(two_layers(), head_values(), neuron_values());
  for (const double depth : {1.0, 0.5}) {
    std::vector<Tensor> wider = family.at(1, depth).tensors();
    for (const double width : {0.9, 0.75, 0.6, 0.5, 0.25, 0.1, 0.0}) {
      const std::vector<Tensor> narrower = family.at(width, depth).tensors();
      for (size_t i = 0; i < wider.size(); ++i)
        EXPECT_TRUE(narrower[i].le(wider[i]).all().item<bool>()) << width << " " << depth;
      wider = narrower;
    }
  }
}

TEST(Subnetworks, HaveTheWidthsOfTheirUnitsRoundedAndAtLeastOne) {
  const Subnetworks family(two_layers(), head_values(), neuron_values());
  const auto counts = [&](double width) {
    const Gates gates = family.at(width, 1);
    return std::pair(gates.head[0].sum().item<double>(), gates.neuron[1].sum().item<double>());
  };
  EXPECT_EQ(counts(1), std::pair(4.0, 8.0));
  EXPECT_EQ(counts(0.7), std::pair(3.0, 6.0));    // 2.8, 5.6
  EXPECT_EQ(counts(0.625), std::pair(3.0, 5.0));  // a half: upwards
  EXPECT_EQ(counts(0), std::pair(1.0, 1.0));
}

TEST(Subnetworks, ThatMeetATargetHaveOneUnitTooFewAtMost) {
  const ModelConfig config = two_layers();
  const Subnetworks family(config, head_values(), neuron_values());
  const Cost cost(config);
  const double head = cost.of_head(0) / cost.dense();  // the largest unit
  for (const double depth : {1.0, 0.5}) {
    for (const double gone : {0.55, 0.6, 0.65, 0.7}) {
      const double reached = cost.share_gone(family.widest(depth, cost, gone));
      EXPECT_GE(reached, gone - 1e-9);
      EXPECT_LT(reached, gone + head);
    }
  }
}

TEST(Subnetworks, CountDepthAmongTheLayersThatAreThere) {
  ModelConfig config = testing::tiny_config();
  config.layers[1] = {{}, 4, 0};
  const Gates half = Subnetworks(config, {}, {}).at(1, 0.5);
  EXPECT_TRUE(at::equal(half.ffn, torch::tensor({1.0, 0.0, 0.0}, at::kDouble)));
}

// --- The authors' importances.

Model authors_model() {
  ModelConfig config;
  config.hidden = 6;
  config.original_heads = 3;
  config.layers.assign(2, {{0, 1, 2}, 2, 5});
  config.vocabulary = config.positions = 8;
  config.token_types = 2;
  config.pooler_width = 6;
  config.classes = 3;
  config.label_names = {"a", "b", "c"};
  Model model = random_model(config, 1);
  int64_t k = 0;
  model.for_each([&](const std::string& name, Tensor& tensor) {
    const Tensor i = at::arange(tensor.numel(), at::kLong);
    const Tensor hash = (i * i * 31 + i * 17 + 101 * k + 7).remainder(97);
    Tensor value = hash.to(at::kDouble) * 2 / 97 - 1;
    if (name.find("norm.weight") != std::string::npos) value = value * 0.3 + 1;
    tensor = value.view(tensor.sizes()).to(tensor.dtype());
    ++k;
  });
  return model;
}

Examples authors_rows() {
  Examples out;
  const auto add = [&](std::vector<int32_t> ids, std::vector<int32_t> types, float label) {
    Input input;
    input.ids = std::move(ids);
    input.types = std::move(types);
    out.add(input, std::span(&label, 1));
  };
  add({1, 5, 2, 7}, {0, 0, 1, 1}, 2);
  add({3, 6, 4}, {0, 1, 1}, 0);
  return out;
}

// Of so many batches.
DynaBert measured(int64_t batches, int64_t micro_batch_size = 2) {
  const Examples examples = authors_rows();
  const std::unique_ptr<Task> task = *make_task("text-classification");
  DynaBert pruner({.batches = batches});
  Training training;
  training.phase = "prune";
  training.spec.steps = 1;
  training.spec.batch_size = 2;
  training.spec.micro_batch_size = micro_batch_size;
  training.task = task.get();
  training.train = &examples;
  training.pruner = &pruner;
  Model model = authors_model();
  Trainer trainer(model, training);
  return pruner;
}

Tensor authors_heads() {
  return rows_of({{0.029069568980, 0.039151030915, 0.032450211002},
                  {0.301973127660, 0.062112107952, 0.047425609776}});
}
Tensor authors_neurons() {
  return rows_of(
      {{0.021439365847, 0.013406245575, 0.019936434894, 0.002347976299, 0.008310160478},
       {0.523281851777, 0.049720457237, 0.005332517200, 0.005896208995, 0.041029865770}});
}
constexpr double kFloatGap = 5e-6;

TEST(DynaBert, ImportanceIsThatOfTheAuthorsCode) {
  for (const int64_t micro_batch_size : {2, 1}) {
    const DynaBert pruner = measured(1, micro_batch_size);
    EXPECT_LE(testing::max_gap(pruner.head_importance(), authors_heads()), kFloatGap);
    EXPECT_LE(testing::max_gap(pruner.neuron_importance(), authors_neurons()), kFloatGap);
  }
}

TEST(DynaBert, ImportanceOfABatchIsOfItsOwnGradients) {
  const DynaBert pruner = measured(2);  // the same two rows again: three times in the authors' code
  EXPECT_LE(testing::max_gap(pruner.head_importance(), authors_heads() * 2), 2 * kFloatGap);
  EXPECT_LE(testing::max_gap(pruner.neuron_importance(), authors_neurons() * 2), 2 * kFloatGap);
}

// --- A training of the tiny model: 5880 parameters, of which a head has 268 and a neuron 33.

struct DynaBertRun : PruningRun<DynaBert> {
  using PruningRun::PruningRun;
  size_t walks(int64_t index) { return pruner.gates(Step{index, 6, {}}, Mode::kTrain).size(); }
};

std::vector<bool> layers_left(const Gates& gates) {
  EXPECT_EQ(gates.attention_on, gates.ffn_on);
  return gates.attention_on;
}

TEST(DynaBert, FoldsAModelThatMeetsTheTargetToTheUnit) {
  for (const double sparsity : {0.0, 0.1, 0.35, 0.5, 0.7, 0.8}) {
    DynaBertRun run({}, sparsity);
    const Gates gates = run.trained();
    const double left = count(fold(run.model, gates).config, 1).encoder_parameters;
    EXPECT_LE(left, 5880 * (1 - sparsity) + 1e-6) << sparsity;
    EXPECT_GT(left, 5880 * (1 - sparsity) - 268) << sparsity;
    EXPECT_TRUE(run.pruner.eligible());
  }
}

TEST(DynaBert, DropsLayersOnlyBelowTheNarrowestWidth) {
  const std::vector<bool> all = {true, true, true}, two = {true, true, false};
  EXPECT_EQ(layers_left(DynaBertRun({}, 0.7).trained()), all);  // a quarter everywhere: 0.713
  EXPECT_EQ(layers_left(DynaBertRun({}, 0.72).trained()), two);
  EXPECT_EQ(layers_left(DynaBertRun({.depths = 2}, 0.72).trained()),
            (std::vector<bool>{true, false, true}));  // 0.5 of the layers: the first and the third
}

TEST(DynaBert, GoesBelowTheNarrowestWidthWhereNothingElseHelps) {
  const Gates gates = DynaBertRun({}, 0.86).trained();
  EXPECT_EQ(layers_left(gates), (std::vector<bool>{true, true, false}));
  for (int64_t i = 0; i < 2; ++i) {
    EXPECT_EQ(gates.head[i].sum().item<double>(), 1);
    EXPECT_EQ(gates.neuron[i].sum().item<double>(), 1);
  }
}

TEST(DynaBert, TrainsAllWidthsThenAllDepthsAndAlwaysTheTargets) {
  DynaBertRun dense({}, 0), half({}, 0.5), narrow({.widths = 2, .width_share = 0}, 0.5);
  Trainer first(dense.model, dense.training), second(half.model, half.training),
      third(narrow.model, narrow.training);
  EXPECT_EQ(dense.walks(2), 4u) << "the whole model is one of them";
  EXPECT_EQ(dense.walks(3), 12u);
  EXPECT_EQ(half.walks(0), 5u);
  EXPECT_EQ(half.walks(5), 13u);
  EXPECT_EQ(narrow.walks(0), 7u);
  for (int64_t index : {0, 5}) {
    const Gates folded = half.pruner.gates(Step{index, 6, {}}, Mode::kEval).front();
    const Gates trained = half.pruner.gates(Step{index, 6, {}}, Mode::kTrain).back();
    EXPECT_TRUE(at::equal(folded.head, trained.head));
    EXPECT_TRUE(at::equal(folded.neuron, trained.neuron));
  }
}

TEST(DynaBert, LeavesTheWholeModelWithoutGates) {
  DynaBertRun run({}, 0);
  EXPECT_TRUE(run.trained().empty());
}

TEST(DynaBert, TurnsToAnotherTargetWhenItIsTrained) {
  DynaBertRun run({}, 0.5);
  Trainer trainer(run.model, run.training);
  while (!trainer.done()) trainer.step();
  trainer.finish();
  const Cost cost(run.model.config);
  const auto reached = [&](double sparsity) {
    run.pruner.aim({sparsity});
    EXPECT_TRUE(run.pruner.check(run.model.config).ok());
    run.pruner.finish(trainer);
    return cost.share_gone(trainer.final_gates());
  };
  EXPECT_TRUE(run.pruner.reopens());
  for (const double sparsity : {0.3, 0.75, 0.4}) {
    const double gone = reached(sparsity);
    EXPECT_GE(gone, sparsity - 1e-9);
    EXPECT_LT(gone, sparsity + 268.0 / 5880);
  }
}

TEST(DynaBert, KeepsItsOrderWhenItResumes) {
  DynaBertRun run({}, 0.5);
  State state;
  Tensor heads, neurons;
  {
    Trainer trainer(run.model, run.training);
    heads = run.pruner.head_importance().clone();
    neurons = run.pruner.neuron_importance().clone();
    for (int i = 0; i < 2; ++i) trainer.step();
    trainer.save(state);
    for (auto& [name, tensor] : state.tensors) tensor = tensor.detach().clone();
  }
  DynaBert fresh({});
  fresh.aim({0.5});
  run.training.pruner = &fresh;
  Trainer resumed(run.model, run.training, &state);  // of weights that have moved
  EXPECT_TRUE(at::equal(fresh.head_importance(), heads));
  EXPECT_TRUE(at::equal(fresh.neuron_importance(), neurons));
  const Step step{2, 6, {}};
  const auto before = run.pruner.gates(step, Mode::kTrain), after = fresh.gates(step, Mode::kTrain);
  ASSERT_EQ(before.size(), after.size());
  for (size_t i = 0; i < before.size(); ++i) {
    const std::vector<Tensor> ours = before[i].tensors(), theirs = after[i].tensors();
    ASSERT_EQ(ours.size(), theirs.size());
    for (size_t j = 0; j < ours.size(); ++j) EXPECT_TRUE(at::equal(ours[j], theirs[j]));
  }
}

TEST(DynaBert, RefusesATargetThatOneHeadAndNeuronALayerDoNotReach) {
  DynaBertRun run({}, 0.9);  // two layers of 316 + 81 stay
  try {
    Trainer trainer(run.model, run.training);
    FAIL() << "the target was taken";
  } catch (const StatusError& error) {
    EXPECT_EQ(error.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_NE(std::string(error.what()).find("0.864"), std::string::npos) << error.what();
  }
  DynaBert shallower({.shallowest = 0.3});  // one layer stays
  shallower.aim({0.9});
  EXPECT_TRUE(shallower.check(run.model.config).ok());
}

TEST(DynaBert, RefusesFactorsAndOptionsThatAreNoShares) {
  DynaBert pruner({});
  pruner.aim({0.5});
  ModelConfig config = testing::tiny_config();
  config.linears["layers.1.ffn.up"] = {LinearShape::Kind::kFactored, 4};
  const absl::Status status = pruner.check(config);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find("layers.1.ffn.up"), std::string::npos) << status;
  EXPECT_FALSE(pruners().make("dynabert", {{"narrowest", 0}}).ok());
  EXPECT_FALSE(pruners().make("dynabert", {{"shallowest", 1.5}}).ok());
}

}  // namespace
}  // namespace espalier
