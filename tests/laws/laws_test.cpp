// The laws of the house, for every entry of the registries: nobody writes these per method.
#include <gtest/gtest.h>

#include <map>

#include "absl/strings/str_cat.h"
#include "core/model/cost.h"
#include "core/model/load.h"
#include "core/model/walk.h"
#include "core/train/evaluate.h"
#include "tests/laws/method_bench.h"

namespace espalier {
namespace {

using testing::max_gap;
using testing::tiny_batch;
using testing::tiny_examples;
using testing::tiny_model;

std::vector<Case> single_cases() {
  std::vector<Case> out;
  for (const auto& e : pruners().entries()) out.push_back({e.name, "", ""});
  for (const auto& e : distillers().entries()) out.push_back({"", e.name, ""});
  for (const auto& e : exit_methods().entries()) out.push_back({"", "", e.name});
  return out;
}

// With so few methods every combination is run; a pairwise cover takes its place when they are
// many.
std::vector<Case> all_combinations() {
  std::vector<Case> out;
  auto names = [](const auto& registry) {
    std::vector<std::string> out = {""};
    for (const auto& e : registry.entries()) out.push_back(e.name);
    return out;
  };
  for (const auto& p : names(pruners())) {
    for (const auto& d : names(distillers())) {
      for (const auto& e : names(exit_methods())) out.push_back({p, d, e});
    }
  }
  return out;
}

std::string case_name(const ::testing::TestParamInfo<Case>& info) {
  std::string out = ::testing::PrintToString(info.param);
  for (char& c : out) c = std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  return out;
}

class Law : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(EveryMethod, Law, ::testing::ValuesIn(single_cases()), case_name);
class PairLaw : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(EveryPair, PairLaw, ::testing::ValuesIn(all_combinations()), case_name);

TEST_P(PairLaw, TrainsThreeSteps) {
  Bench bench(GetParam(), 0.3, 3);
  Model model = tiny_model();
  Trainer trainer(model, bench.training);
  while (!trainer.done()) trainer.step();
  trainer.finish();
  EXPECT_TRUE(std::isfinite(trainer.metrics().at("loss")));
}

TEST_P(Law, GatedEqualsFolded) {
  Bench bench(GetParam());
  Model model = tiny_model();
  Trainer trainer(model, bench.training);
  while (!trainer.done()) trainer.step();
  trainer.finish();
  Gates gates = trainer.gates_to_fold();
  torch::NoGradGuard no_grad;
  Batch batch = tiny_batch(bench.examples, 20);
  TrainBackend gated(model);
  Model folded = fold(model, gates);
  TrainBackend plain(folded);
  EXPECT_LE(max_gap(walk(gated, batch, gates).logits, walk(plain, batch).logits), 1e-5);
}

TEST_P(Law, ReachesTheBudget) {
  if (GetParam().pruner.empty()) return;
  for (double sparsity : {0.0, 0.35, 0.8}) {
    Bench bench(GetParam(), sparsity);
    Model model = tiny_model();
    Cost cost(model.config);
    Trainer trainer(model, bench.training);
    while (!trainer.done()) trainer.step();
    trainer.finish();
    double left = cost.actual(trainer.gates_to_fold());
    double reached = 1 - left / cost.dense();
    EXPECT_GE(reached, sparsity - 1e-6);
    // One unit of the tiny model is several percent, and a layer is a third.
    EXPECT_LE(reached, sparsity + (GetParam().pruner == "drop_layers" ? 0.34 : 0.06));
    EXPECT_TRUE(bench.pruner->eligible());
  }
}

TEST_P(Law, StaysFiniteAt99Percent) {
  if (GetParam().pruner.empty()) return;
  // The share that single weights cannot reach (biases and norms) is left out of the aim.
  // One component of each matrix stays, too, and one head and neuron a layer of half the layers.
  const std::map<std::string, double> most = {
      {"dynabert", 0.85}, {"flop", 0.8}, {"magnitude", 0.85}, {"movement", 0.85}, {"random", 0.85}};
  const auto found = most.find(GetParam().pruner);
  Bench bench(GetParam(), found == most.end() ? 0.99 : found->second);
  Model model = tiny_model();
  Trainer trainer(model, bench.training);
  while (!trainer.done()) trainer.step();
  trainer.finish();
  const Gates gates = trainer.gates_to_fold();
  Model folded = fold(model, gates);
  TrainBackend backend(folded);
  torch::NoGradGuard no_grad;
  EXPECT_TRUE(walk(backend, tiny_batch(bench.examples, 8)).logits.isfinite().all().item<bool>());
}

TEST_P(Law, ResumesToTheSameBits) {
  const Examples held_out = tiny_examples(24, 9);
  const auto selecting = [&](Bench& bench) {
    bench.training.select = &held_out;
    bench.training.spec.evaluate_every = 1;
  };
  auto weights_after = [&](int stop_at) {
    Bench bench(GetParam());
    selecting(bench);
    Model model = tiny_model();
    auto trainer = std::make_unique<Trainer>(model, bench.training);
    for (int i = 0; i < stop_at; ++i) trainer->step();
    if (stop_at > 0) {  // everything but the checkpoint is lost
      State state;
      trainer->save(state);
      for (auto& [name, tensor] : state.tensors) tensor = tensor.detach().clone();
      Model kept = model.clone();
      trainer.reset();
      Bench fresh(GetParam());
      selecting(fresh);
      Trainer resumed(kept, fresh.training, &state);
      EXPECT_EQ(resumed.step_index(), stop_at);
      while (!resumed.done()) resumed.step();
      resumed.finish();
      const Gates gates = resumed.gates_to_fold();
      return weights_digest(fold(kept, gates).tensors());
    }
    while (!trainer->done()) trainer->step();
    trainer->finish();
    const Gates gates = trainer->gates_to_fold();
    return weights_digest(fold(model, gates).tensors());
  };
  std::string undisturbed = weights_after(0);
  EXPECT_EQ(undisturbed, weights_after(2));
  EXPECT_EQ(undisturbed, weights_after(5));
}

TEST_P(Law, WhatIsGoneStaysGone) {
  if (GetParam().pruner.empty()) GTEST_SKIP() << "prunes nothing";
  Bench bench(GetParam(), 0.6, 40);
  if (bench.pruner->reopens()) GTEST_SKIP() << "opens units again";
  Model model = tiny_model();
  Trainer trainer(model, bench.training);
  std::vector<Tensor> before;
  auto expect_monotone = [&](const std::string& when) {
    std::vector<Tensor> now;
    for (const Tensor& mask : trainer.final_gates().tensors()) now.push_back(mask.clone());
    for (size_t i = 0; i < before.size(); ++i) {
      EXPECT_TRUE(now[i].le(before[i]).all().item<bool>()) << when;
    }
    before = std::move(now);
  };
  while (!trainer.done()) {
    trainer.step();
    expect_monotone(absl::StrCat("step ", trainer.step_index()));
  }
  trainer.finish();
  expect_monotone("the end");
}

// Two ways of computing steps that must lead to the same. Compared is what is linear in the
// gradient: AdamW's step and the clipping hide its scale.
void expect_equal_steps(const Case& methods, const std::function<void(Training&)>& one_way,
                        const std::function<void(Training&)>& other_way) {
  auto state_after = [&](const std::function<void(Training&)>& set) {
    Bench bench(methods, 0.5, 8);
    bench.training.spec.clip = 0;
    set(bench.training);
    Model model = tiny_model();
    Trainer trainer(model, bench.training);
    for (int i = 0; i < 4; ++i) trainer.step();
    State state;
    trainer.save(state);
    return std::pair(state, trainer.metrics().at("loss"));
  };
  auto [whole, whole_loss] = state_after(one_way);
  auto [parts, parts_loss] = state_after(other_way);
  EXPECT_NEAR(whole_loss, parts_loss, 1e-5 * std::abs(whole_loss));
  int compared = 0;
  for (const auto& [name, mean] : whole.tensors) {
    if (!name.starts_with("adamw.mean.")) continue;
    ++compared;
    EXPECT_LE(max_gap(mean, parts.tensors.at(name)), 2e-3 * mean.abs().max().item<double>() + 1e-7)
        << name;
  }
  EXPECT_GT(compared, 0);
}

TEST_P(Law, MicroBatchesEqualTheWholeStep) {
  expect_equal_steps(
      GetParam(), [](Training& training) { training.spec.dropout = 0; },
      [](Training& training) {
        training.spec.dropout = 0;
        training.spec.micro_batch_size = 3;  // 3 + 3 + 2
      });
}

TEST_P(Law, MicroBatchesOfWeighedClassesEqualTheWholeStep) {
  const auto whole = [](Training& training) {
    training.spec.dropout = 0;
    training.class_weights = {0.2, 1, 5};
  };
  expect_equal_steps(GetParam(), whole, [&](Training& training) {
    whole(training);
    training.spec.micro_batch_size = 3;
  });
}

TEST_P(Law, RecomputedStepsEqualKeptOnes) {
  expect_equal_steps(
      GetParam(), [](Training& training) { training.spec.dropout = 0.2; },
      [](Training& training) {
        training.spec.dropout = 0.2;
        training.spec.gradient_checkpointing = true;
      });
}

// The losses of a training's steps, recomputed, by the format of its products.
std::vector<double> losses_in(Precision precision, const Case& methods) {
  Bench bench(methods, 0.3, 3);
  bench.training.spec.precision = precision;
  bench.training.spec.gradient_checkpointing = true;
  Model model = tiny_model();
  Trainer trainer(model, bench.training);
  std::vector<double> out;
  while (!trainer.done()) {
    trainer.step();
    out.push_back(trainer.metrics().at("loss"));
  }
  trainer.finish();
  return out;
}

TEST_P(Law, TrainsInBf16NearlyAsInFp32) {
  const std::vector<double> exact = losses_in(Precision::kFp32, GetParam()),
                            half = losses_in(Precision::kBf16, GetParam());
  EXPECT_NE(half.front(), exact.front()) << "nothing was computed in bf16";
  for (size_t i = 0; i < exact.size(); ++i) {
    EXPECT_TRUE(std::isfinite(half[i]));
    // Once units have left, a rounding may have decided between two of them.
    if (i > 0 && !GetParam().pruner.empty()) continue;
    EXPECT_NEAR(half[i], exact[i], 0.1 * std::abs(exact[i])) << "step " << i + 1;
  }
}

}  // namespace
}  // namespace espalier
