// The laws of models, whatever made them: exits, batches, fold, round trips, gradients.
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <numeric>

#include "core/artifact/artifact.h"
#include "core/artifact/as_stored.h"
#include "core/base/files.h"
#include "core/base/guard.h"
#include "core/exit/policy_registry.h"
#include "core/model/embedding.h"
#include "core/model/fold.h"
#include "core/model/load.h"
#include "core/model/walk.h"
#include "core/runtime/fused_backend.h"
#include "tests/laws/method_bench.h"

namespace espalier {
namespace {

using testing::max_gap;
using testing::tiny_batch;
using testing::tiny_examples;
using testing::tiny_model;

TEST(ExitLaw, APolicyThatNeverFiresChangesNothing) {
  for (const auto& entry : exit_methods().entries()) {
    Model model = with_exits(entry.name);
    auto policy = *make_exit_policy(entry.name);
    auto range = (*exit_methods().make(entry.name, nullptr))->range(3, 3);
    Batch batch = tiny_batch(tiny_examples(20, 5), 20);
    runtime::FusedPlan plan = runtime::make_fused_plan(model);
    runtime::FusedBackend backend(plan);
    Answered with = answer(backend, policy.get(), batch, range.low);
    torch::NoGradGuard no_grad;
    EXPECT_EQ(max_gap(with.logits, walk(backend, batch).logits), 0);
    EXPECT_TRUE(with.exit_layer.eq(3).all().item<bool>());
  }
}

TEST(ExitLaw, TheBoldestThresholdLeavesAtOnce) {
  for (const auto& entry : exit_methods().entries()) {
    Model model = with_exits(entry.name);
    auto policy = *make_exit_policy(entry.name);
    auto range = (*exit_methods().make(entry.name, nullptr))->range(3, 3);
    runtime::FusedPlan plan = runtime::make_fused_plan(model);
    runtime::FusedBackend backend(plan);
    Answered all = answer(backend, policy.get(), tiny_batch(tiny_examples(20, 5), 20), range.high);
    EXPECT_TRUE(all.exit_layer.eq(1).all().item<bool>());
  }
}

TEST(ExitLaw, ARowAloneIsTheRowInACrowd) {
  for (const auto& entry : exit_methods().entries()) {
    Model model = with_exits(entry.name);
    auto policy = *make_exit_policy(entry.name);
    Examples examples = tiny_examples(24, 5);
    runtime::FusedPlan plan = runtime::make_fused_plan(model);
    runtime::FusedBackend packed(plan);
    TrainBackend padded(model);
    // The first threshold at which rows leave at different layers: there is something to get wrong.
    auto depths = [](const Answered& a) { return std::get<0>(at::_unique(a.exit_layer)).size(0); };
    double threshold = -1;
    Answered crowd;
    for (double candidate : (*exit_methods().make(entry.name, nullptr))->candidates(3, 3)) {
      crowd = answer(packed, policy.get(), tiny_batch(examples, 24), candidate);
      if (depths(crowd) >= 2) {
        threshold = candidate;
        break;
      }
    }
    ASSERT_GE(threshold, 0) << "every row leaves at the same layer, whatever the threshold";
    Answered other = answer(padded, policy.get(), tiny_batch(examples, 24), threshold);
    EXPECT_TRUE(crowd.exit_layer.equal(other.exit_layer));
    EXPECT_LE(max_gap(crowd.logits, other.logits), 1e-5);
    for (int64_t row = 0; row < 24; ++row) {
      std::vector<int64_t> one = {row};
      Answered alone = answer(packed, policy.get(), make_batch(examples, one), threshold);
      EXPECT_EQ(alone.exit_layer.item<int64_t>(), crowd.exit_layer[row].item<int64_t>());
      EXPECT_LE(max_gap(alone.logits[0], crowd.logits[row]), 1e-5);
    }
  }
}

TEST(ExitLaw, MaxLayerIsObeyed) {
  for (const auto& entry : exit_methods().entries()) {
    Model model = with_exits(entry.name);
    auto policy = *make_exit_policy(entry.name);
    runtime::FusedPlan plan = runtime::make_fused_plan(model);
    runtime::FusedBackend backend(plan);
    Answered two = answer(backend, policy.get(), tiny_batch(tiny_examples(9, 5), 9), 0, 2);
    EXPECT_TRUE(two.exit_layer.eq(2).all().item<bool>());
  }
}

TEST(BatchLaw, PaddedPackedAndSingleAgree) {
  Model model = tiny_model();
  Examples examples = tiny_examples(30, 3);
  TrainBackend training(model);
  runtime::Plan plan = runtime::make_plan(model);
  runtime::PackedBackend packed(plan);
  runtime::FusedPlan fused_plan = runtime::make_fused_plan(model);
  runtime::FusedBackend fused(fused_plan);
  torch::NoGradGuard no_grad;
  Batch batch = tiny_batch(examples, 30);
  WalkOptions maps;  // recording them takes attention over a padded grid
  maps.record.attention = RecordAttention::kProbabilities;
  Tensor a = walk(training, batch).logits, b = walk(packed, batch).logits;
  EXPECT_LE(max_gap(a, b), 1e-5);
  EXPECT_LE(max_gap(walk(fused, batch).logits, b), 1e-5);
  EXPECT_LE(max_gap(a, walk(training, batch, {}, maps).logits), 1e-5);
  for (int64_t row = 0; row < 30; ++row) {
    std::vector<int64_t> one = {row};
    EXPECT_LE(max_gap(walk(packed, make_batch(examples, one)).logits[0], b[row]), 1e-5);
    EXPECT_LE(max_gap(walk(fused, make_batch(examples, one)).logits[0], b[row]), 1e-5);
    EXPECT_LE(max_gap(walk(training, make_batch(examples, one)).logits[0], a[row]), 1e-5);
  }
}

TEST(BatchLaw, ThreadsThatShareABatchGiveEachRowWhatItGetsAlone) {
  const int before = at::get_num_threads();
  at::set_num_threads(2);
  Model model = tiny_model();
  Examples examples = tiny_examples(200, 3);
  runtime::FusedPlan plan = runtime::make_fused_plan(model);
  runtime::FusedBackend fused(plan);
  torch::NoGradGuard no_grad;
  Batch batch = tiny_batch(examples, 200);
  ASSERT_GT(std::accumulate(batch.lengths.begin(), batch.lengths.end(), int64_t{0}), 4 * 128);
  Tensor together = walk(fused, batch).logits;
  for (int64_t row = 0; row < 200; row += 7) {
    std::vector<int64_t> one = {row};
    EXPECT_LE(max_gap(walk(fused, make_batch(examples, one)).logits[0], together[row]), 1e-6);
  }
  // A smaller batch computes in what the larger one left.
  Batch few = tiny_batch(examples, 60);
  EXPECT_LE(max_gap(walk(fused, few).logits, together.narrow(0, 0, 60)), 1e-6);
  at::set_num_threads(before);
}

// Rows that no number of threads can share evenly, and some that they can.
TEST(BatchLaw, LongRowsGetTheSameFromAnyNumberOfThreads) {
  const int before = at::get_num_threads();
  ModelConfig config = testing::tiny_config();
  config.positions = 520;
  const Model model = random_model(config, 1);
  const runtime::Plan plain = runtime::make_plan(model);
  const runtime::FusedPlan plan = runtime::make_fused_plan(model);
  runtime::PackedBackend packed(plain);
  runtime::FusedBackend fused(plan);
  torch::NoGradGuard no_grad;
  Random random(1);
  const std::vector<std::vector<size_t>> batches = {
      {200}, {256, 256}, {128, 128, 128, 128, 128}, {512, 1, 1, 1, 1, 1}, {1, 520, 300, 2}};
  for (const std::vector<size_t>& lengths : batches) {
    std::vector<Input> inputs;
    for (const size_t length : lengths) {
      Input& input = inputs.emplace_back();
      for (size_t t = 0; t < length; ++t)
        input.ids.push_back(1 + static_cast<int32_t>(random.below(39)));
      input.types.assign(length, 0);
    }
    const Batch batch = pack(std::vector<InputView>(inputs.begin(), inputs.end()));
    WalkOptions options;
    options.record.hidden = true;
    const Tensor expected = walk(packed, batch, {}, options).hidden.back();
    for (const int threads : {1, 2, 3}) {
      at::set_num_threads(threads);
      const Tensor states = walk(fused, batch, {}, options).hidden.back();
      EXPECT_LE(max_gap(states, expected), 1e-5) << lengths.size() << " rows, " << threads;
    }
  }
  at::set_num_threads(before);
}

// The last layer computes first tokens alone where nobody reads others. Heads that fill whole
// panels and heads that do not, norms on both sides, few rows and many.
TEST(BatchLaw, FirstTokensAloneAreWhatTheyAreAmongAll) {
  const int before = at::get_num_threads();
  for (const int hidden : {40, 96}) {
    for (const bool norm_first : {false, true}) {
      ModelConfig config = testing::tiny_config();
      config.hidden = config.pooler_width = hidden;
      config.norm_first = norm_first;
      for (auto& layer : config.layers) layer.head_dim = hidden / 4;
      const Model model = random_model(config, 1);
      const runtime::Plan plain = runtime::make_plan(model);
      const runtime::FusedPlan plan = runtime::make_fused_plan(model);
      runtime::PackedBackend packed(plain);
      runtime::FusedBackend fused(plan);
      torch::NoGradGuard no_grad;
      WalkOptions all;  // who records states reads every token
      all.record.hidden = true;
      for (const int rows : {1, 9, 200}) {
        const Batch batch = tiny_batch(testing::tiny_examples(rows, 3), rows);
        const Tensor expected = walk(packed, batch, {}, all).logits;
        for (const int threads : {1, 2}) {
          at::set_num_threads(threads);
          EXPECT_LE(max_gap(walk(fused, batch).logits, expected), 1e-5)
              << hidden << ", norm first " << norm_first << ", " << rows << " rows";
          EXPECT_LE(max_gap(walk(fused, batch, {}, all).logits, expected), 1e-5);
        }
      }
    }
  }
  at::set_num_threads(before);
}

// The same in products of other precisions, with heads and neurons missing: a row alone, and among
// others, to the bit where products of integers are exact.
TEST(BatchLaw, FirstTokensAloneAreWhatTheyAreAmongAllInEveryPrecision) {
  for (const uint64_t seed : {0, 1, 2, 3}) {
    Model model = tiny_model(seed + 1);
    if (seed > 0) {
      Gates gates = testing::random_gates(model.config, seed, seed % 2 == 0);
      gates.seal(model.config);
      model = fold(model, gates);
    }
    for (const Precision precision : {Precision::kBf16, Precision::kInt8}) {
      const runtime::FusedPlan plan =
          runtime::make_fused_plan(as_stored(model, precision), precision);
      runtime::FusedBackend fused(plan);
      torch::NoGradGuard no_grad;
      WalkOptions all;  // who records states reads every token
      all.record.hidden = true;
      for (const int rows : {1, 9, 40}) {
        const Batch batch = tiny_batch(tiny_examples(rows, 3), rows);
        const Tensor among = walk(fused, batch, {}, all).logits, alone = walk(fused, batch).logits;
        // A sum that is rounded another way may be another number of 8 or 16 bits.
        EXPECT_LE((among - alone).abs().median().item<double>(), 1e-4) << precision_name(precision);
        EXPECT_LE(((among - alone).norm() / among.norm()).item<double>(), 0.02);
      }
    }
  }
}

// What comes with an artifact (its golden inputs) need not fit its tables.
TEST(BatchLaw, WhatNoTableHoldsIsRefused) {
  const Model model = tiny_model();
  const runtime::FusedPlan plan = runtime::make_fused_plan(model);
  runtime::FusedBackend fused(plan);
  const auto walked = [&](int32_t id, int32_t type, size_t tokens) {
    Input input;
    input.ids.assign(tokens, id);
    input.types.assign(tokens, type);
    const std::vector<InputView> inputs = {input};
    return guard("walk", [&] { walk(fused, pack(inputs)); });
  };
  EXPECT_TRUE(walked(39, 1, 32).ok());
  EXPECT_FALSE(walked(40, 1, 3).ok());
  EXPECT_FALSE(walked(-1, 1, 3).ok());
  EXPECT_FALSE(walked(39, 2, 3).ok());
  EXPECT_FALSE(walked(39, 1, 33).ok());
}

TEST(FoldLaw, SoftGatesOfEveryKindSurviveFolding) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Model model = tiny_model(seed);
    Gates gates = testing::random_gates(model.config, seed);
    gates.seal(model.config);
    torch::NoGradGuard no_grad;
    Batch batch = tiny_batch(tiny_examples(16, seed), 16);
    TrainBackend gated(model);
    Model folded = fold(model, gates);
    TrainBackend plain(folded);
    EXPECT_LE(max_gap(walk(gated, batch, gates).logits, walk(plain, batch).logits), 1e-5)
        << "seed " << seed;
  }
}

TEST(FoldLaw, FoldingTwiceIsFoldingOnce) {
  Model model = tiny_model();
  Gates gates = testing::random_gates(model.config, 4);
  Model once = fold(model, gates), twice = fold(once, {});
  EXPECT_EQ(weights_digest(once.tensors()), weights_digest(twice.tensors()));
}

TEST(IdentityLaw, GatesOfOneChangeNothing) {
  Model model = tiny_model();
  Gates ones =
      testing::random_gates(model.config, 1).map([](const Tensor& t) { return at::ones_like(t); });
  ones.seal(model.config);
  torch::NoGradGuard no_grad;
  Batch batch = tiny_batch(tiny_examples(8), 8);
  TrainBackend backend(model);
  EXPECT_LE(max_gap(walk(backend, batch, ones).logits, walk(backend, batch).logits), 1e-5);
}

TEST(RoundTripLaw, AnArtifactKeepsItsLogits) {
  Model model =
      fold(with_exits("deebert"), testing::random_gates(testing::tiny_config(), 7, false));
  std::string folder = ::testing::TempDir() + "/espalier_round_trip";
  ASSERT_TRUE(make_folders(folder).ok());
  ASSERT_TRUE(write_file(folder + "/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nw\n").ok());
  torch::NoGradGuard no_grad;
  Golden golden;
  const Examples examples = tiny_examples(8);
  for (int64_t i = 0; i < examples.size(); ++i) golden.inputs.push_back(examples.input(i).copy());
  TrainBackend backend(model);
  golden.logits = walk(backend, golden.batch()).logits;
  ArtifactSpec spec;
  spec.task = "text-classification";
  spec.label_names = {"a", "b", "c"};
  spec.max_length = 32;
  spec.exit = ExitSpec{"deebert", 0.3, 0, 1.1};
  std::string out = folder + "/artifact";
  ASSERT_TRUE(save_artifact(out, model, spec, folder, golden).ok());
  auto loaded = load_artifact(out);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  // Masks went into the weights, all else is the same to the bit.
  TrainBackend again(loaded->model);
  EXPECT_EQ(max_gap(walk(again, golden.batch()).logits, golden.logits), 0);
  EXPECT_EQ(loaded->spec.exit->threshold, 0.3);
  EXPECT_EQ(loaded->model.heads.size(), 2u);
}

TEST(GradientLaw, GatedLayerNormPassesANumericCheck) {
  auto generator = at::detail::createCPUGenerator(3);
  Tensor x = at::empty({3, 6}, at::kDouble).normal_(0, 1, generator).set_requires_grad(true);
  Norm norm{at::empty({6}, at::kDouble).normal_(1, 0.2, generator),
            at::empty({6}, at::kDouble).normal_(0, 1, generator)};
  Tensor gate = torch::tensor({1.0, 0.5, 0.0, 1.0, 0.7, 1.0}, at::kDouble);
  auto f = [&](const Tensor& at) {
    return (gated_layer_norm(at, norm, gate, 1e-5).square() * 0.3).sum();
  };
  f(x).backward();
  torch::NoGradGuard no_grad;
  for (int64_t i = 0; i < 3; ++i) {
    for (int64_t j = 0; j < 6; ++j) {
      Tensor up = x.clone(), down = x.clone();
      up[i][j] += 1e-5;
      down[i][j] -= 1e-5;
      double numeric = (f(up) - f(down)).item<double>() / 2e-5;
      EXPECT_NEAR(x.grad()[i][j].item<double>(), numeric, 1e-6);
    }
  }
}

}  // namespace
}  // namespace espalier
