#include "core/prune/ziplm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/base/guard.h"
#include "core/model/fold.h"
#include "core/model/latency_table.h"
#include "core/model/load.h"
#include "core/model/walk.h"
#include "tests/core/prune/pruning_run.h"

namespace espalier {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kAllRows = 96;

ZipLm::Options of_all_rows() {
  ZipLm::Options options;
  options.rows = kAllRows;
  return options;
}

Tensor logits_of(const Model& model, Gates gates, const Batch& batch) {
  torch::NoGradGuard no_grad;
  gates.seal(model.config);
  TrainBackend backend(model);
  return walk(backend, batch, gates).logits;
}

int64_t open_units(const Tensor& gate) { return gate.ne(0).sum().item<int64_t>(); }

TEST(InputMoments, AreSumsOverAllTokensAndFirstOnesWeighInTheLastLayer) {
  const Model model = testing::tiny_model();
  const Batch batch = testing::tiny_batch(testing::tiny_examples(24), 24);
  std::vector<Tensor> seen;
  TrainBackend backend(model);
  backend.watch([&](int, bool ffn, const Tensor& inputs) {
    if (ffn) seen.push_back(inputs.to(at::kDouble));
  });
  torch::NoGradGuard no_grad;
  WalkOptions every_token;
  every_token.record.hidden = true;
  walk(backend, batch, {}, every_token);
  const auto moments = input_moments(model, {}, std::span(&batch, 1));
  EXPECT_LE(testing::max_gap(moments[1].ffn.products, at::matmul(seen[1].t(), seen[1])), 1e-9);
  EXPECT_LE(testing::max_gap(moments[1].ffn.mean(), seen[1].mean(0)), 1e-9);
  const Tensor about = seen[1] - seen[1].mean(0);
  EXPECT_LE(testing::max_gap(moments[1].ffn.centred(), at::matmul(about.t(), about)), 1e-8);
  std::vector<int64_t> firsts = batch.offsets();
  firsts.pop_back();
  const Tensor first = seen[2].index_select(0, torch::tensor(firsts, at::kLong));
  const double share = static_cast<double>(batch.tokens() - 24) / 24;
  const Tensor others = at::matmul(seen[2].t(), seen[2]) - at::matmul(first.t(), first);
  EXPECT_LE(
      testing::max_gap(moments[2].ffn.products, others + share * at::matmul(first.t(), first)),
      1e-8);
  EXPECT_NEAR(moments[2].ffn.total, 2.0 * static_cast<double>(batch.tokens() - 24), 1e-9);
}

// Of 24 neurons 12 are the others' twins: half of all can leave, and nobody sees it.
TEST(ZipLm, TakesTwinsForNothing) {
  ZipLm::Options options = of_all_rows();
  options.damp = 1e-8;
  PruningRun<ZipLm> run(options, 0.2);
  torch::NoGradGuard no_grad;
  for (Layer& layer : run.model.layers) {
    layer.up.weight.narrow(0, 12, 12).copy_(layer.up.weight.narrow(0, 0, 12));
    layer.up.bias.narrow(0, 12, 12).copy_(layer.up.bias.narrow(0, 0, 12));
  }
  const Batch batch = testing::tiny_batch(run.held_out, 32);  // rows that it did not see
  const Tensor before = logits_of(run.model, {}, batch);
  Trainer trainer(run.model, run.training);
  const Gates gates = trainer.final_gates();
  EXPECT_EQ(open_units(gates.head), 12);
  for (int i = 0; i < 3; ++i) {
    const Tensor open = gates.neuron[i].view({2, 12});
    EXPECT_TRUE(at::equal(open.sum(0), at::ones({12}))) << "one of each pair, layer " << i;
  }
  EXPECT_LE(testing::max_gap(logits_of(run.model, gates, batch), before), 1e-4);
}

TEST(ZipLm, AnswersNearerThanTheSameGatesOverTheOldWeights) {
  PruningRun<ZipLm> run(of_all_rows(), 0.3);
  const Model dense = run.model.clone();
  Trainer trainer(run.model, run.training);
  const Gates gates = trainer.final_gates();
  const Batch batch = testing::tiny_batch(run.examples, kAllRows);
  const Tensor wanted = logits_of(dense, {}, batch);
  const auto distance = [&](const Model& model) {
    return (logits_of(model, gates, batch) - wanted).square().mean().item<double>();
  };
  EXPECT_LT(distance(run.model), distance(dense));
}

TEST(ZipLm, EarlierGatesOverLaterWeightsAnswerAsTheLaterOnes) {
  PruningRun<ZipLm> run(of_all_rows(), 0.2);
  Trainer trainer(run.model, run.training);
  const Gates first = trainer.final_gates();
  run.pruner.aim({0.4});
  EXPECT_FALSE(run.pruner.eligible());
  run.pruner.finish(trainer);
  EXPECT_TRUE(run.pruner.eligible());
  const Gates second = trainer.final_gates();
  EXPECT_GE(Cost(run.model.config).share_gone(second), 0.4 - 1e-9);
  EXPECT_TRUE(second.neuron.le(first.neuron).all().item<bool>());
  EXPECT_TRUE(second.head.le(first.head).all().item<bool>());
  if (second.attention_on != first.attention_on || second.ffn_on != first.ffn_on) return;
  const Batch batch = testing::tiny_batch(run.held_out, 32);
  EXPECT_LE(
      testing::max_gap(logits_of(run.model, first, batch), logits_of(run.model, second, batch)),
      1e-4);
}

// Milliseconds in steps, as measured ones are.
LatencyTable stepped_table() {
  LatencyTable table;
  table.hidden = {16};
  table.heads = {0, 2, 4};
  table.neurons = {0, 8, 16, 24};
  table.attention = table.last_attention = {{0, 2, 2.2}};
  table.ffn = table.last_ffn = {{0, 1, 1.1, 3}};
  table.rest = {0.5};
  return table;
}

TEST(ZipLm, MeetsAimsOfEveryKind) {
  const ModelConfig config = testing::tiny_config();
  for (const auto& cost : {std::shared_ptr<const CostFunction>(), macs_cost(config, 8),
                           parameters_cost(config, true), latency_cost(stepped_table(), 3)}) {
    for (const int64_t shots : {1, 3}) {
      ZipLm::Options options = of_all_rows();
      options.shots = shots;
      PruningRun<ZipLm> run(options, 0);
      const Aim aim = {0.45, cost};
      run.pruner.aim(aim);
      const Gates gates = run.trained();
      const double gone = aim.cost_of(config).share_gone(gates);
      EXPECT_GE(gone, 0.45 - 1e-9);
      EXPECT_LE(gone, 0.6);
      EXPECT_TRUE(run.pruner.eligible());
    }
  }
}

TEST(ZipLm, TakesTheSameShareOfWhatIsLeftAtEachShot) {
  ZipLm::Options options = of_all_rows();
  options.shots = 3;
  PruningRun<ZipLm> run(options, 0.8, 8);  // shots before the first step, after the 2nd and the 4th
  const Cost cost(run.model.config);
  Trainer trainer(run.model, run.training);
  std::vector<double> left = {1 - cost.share_gone(trainer.final_gates())};
  while (!trainer.done()) {
    trainer.step();
    left.push_back(1 - cost.share_gone(trainer.final_gates()));
    EXPECT_EQ(run.pruner.eligible(), trainer.step_index() >= 4);
  }
  const double each = std::cbrt(0.2);
  for (const auto& [step, expected] :
       {std::pair(0, each), {1, each}, {2, each * each}, {3, each * each}, {4, 0.2}, {8, 0.2}}) {
    EXPECT_LE(left[step], expected + 1e-9);
    EXPECT_GE(left[step], expected - 0.06);
  }
}

TEST(ZipLm, ResumesAcrossShotsToTheSameBits) {
  ZipLm::Options options = of_all_rows();
  options.shots = 3;
  options.search = 5;
  const auto digest_after = [&](int stop_at) {
    PruningRun<ZipLm> run(options, 0.6, 8);
    run.training.spec.ema = 0.9;
    auto trainer = std::make_unique<Trainer>(run.model, run.training);
    if (stop_at < 0) {
      while (!trainer->done()) trainer->step();
      trainer->finish();
      return weights_digest(fold(run.model, trainer->final_gates()).tensors());
    }
    for (int i = 0; i < stop_at; ++i) trainer->step();
    State state;
    trainer->save(state);
    for (auto& [name, tensor] : state.tensors) tensor = tensor.detach().clone();
    Model kept = run.model.clone();
    trainer.reset();
    PruningRun<ZipLm> fresh(options, 0.6, 8);
    fresh.training.spec.ema = 0.9;
    Trainer resumed(kept, fresh.training, &state);
    while (!resumed.done()) resumed.step();
    resumed.finish();
    return weights_digest(fold(kept, resumed.final_gates()).tensors());
  };
  const std::string undisturbed = digest_after(-1);
  for (const int stop_at : {0, 1, 2, 3, 5}) EXPECT_EQ(digest_after(stop_at), undisturbed);
}

TEST(ZipLm, AnAverageOfWeightsBeginsAnewAtAShot) {
  ZipLm::Options options = of_all_rows();
  options.begin = options.end = 0.5;
  PruningRun<ZipLm> run(options, 0.4, 8);
  run.training.spec.ema = 0.99;
  run.training.spec.learning_rate = 0;
  Trainer trainer(run.model, run.training);
  while (!trainer.done()) trainer.step();
  const Model solved = run.model.clone();
  trainer.finish();
  double changed = 0;
  const Model dense = testing::tiny_model();
  for (int i = 0; i < 3; ++i) {
    const Tensor &now = run.model.layers[i].down.weight, &then = solved.layers[i].down.weight;
    EXPECT_LE(testing::max_gap(now.detach(), then.detach()), 1e-6);
    changed += testing::max_gap(now.detach(), dense.layers[i].down.weight);
  }
  EXPECT_GT(changed, 1e-2);
}

TEST(ZipLm, ASearchFindsNoWorseNumbersOfUnits) {
  const auto distance = [](int64_t search) {
    ZipLm::Options options = of_all_rows();
    options.search = search;
    PruningRun<ZipLm> run(options, 0.5);
    const Model dense = run.model.clone();
    Trainer trainer(run.model, run.training);
    int64_t draw = 0;  // those that the shot looked at
    double sum = 0, count = 0;
    for (const Batch& batch : sample_rows(trainer, kAllRows, draw)) {
      const Tensor gap =
          logits_of(run.model, trainer.final_gates(), batch) - logits_of(dense, {}, batch);
      sum += gap.square().sum().item<double>();
      count += static_cast<double>(gap.numel());
    }
    EXPECT_GE(Cost(run.model.config).share_gone(trainer.final_gates()), 0.5 - 1e-9);
    return sum / count;
  };
  EXPECT_LE(distance(40), distance(0) * (1 + 1e-6));
}

TEST(ZipLm, SaysWhatItCannotReachBeforeAnythingIsTrained) {
  const ModelConfig config = testing::tiny_config();
  ZipLm pruner({});
  pruner.aim({0.99, parameters_cost(config, true)});
  const absl::Status status = pruner.check(config);
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("ziplm cannot take away a share of 0.99"));
  PruningRun<ZipLm> run({}, 0);
  run.pruner.aim({0.99, parameters_cost(config, true)});
  EXPECT_THROW(Trainer(run.model, run.training), StatusError);
}

TEST(ZipLm, RefusesARampThatEndsBeforeItBegins) {
  ZipLm::Options options;
  options.shots = 2;
  options.begin = 0.6;
  ZipLm pruner(options);
  pruner.aim({0.5});
  EXPECT_THAT(std::string(pruner.check(testing::tiny_config()).message()),
              HasSubstr("ramp_end is 0.5, before its ramp_begin of 0.6"));
}

}  // namespace
}  // namespace espalier
