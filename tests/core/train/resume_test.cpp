// The law of resuming, for every option of a training: what goes on from a checkpoint goes on to
// the same bits, losses and weights.
#include <gtest/gtest.h>

#include <functional>

#include "tests/core/train/workbench.h"

namespace espalier {
namespace {

using testing::Workbench;

constexpr int kSteps = 20;

struct Option {
  const char* name;
  std::function<void(TrainingSpec&)> set;
  friend std::ostream& operator<<(std::ostream& out, const Option& option) {
    return out << option.name;
  }
};

// What a training leaves: the metrics after every step from `stop_at` on, and the weights.
struct Left {
  std::vector<std::map<std::string, double>> metrics;
  std::map<std::string, Tensor> weights;
};

void finish(Trainer& trainer, Model& model, Left& left) {
  while (!trainer.done()) {
    trainer.step();
    left.metrics.push_back(trainer.metrics());
  }
  trainer.finish();
  left.metrics.push_back(trainer.metrics());
  left.weights = model.clone().tensors();
}

// Trains to `stop_at`; with `lose` nothing but model and checkpoint survives there.
Left train_with(const Option& option, int stop_at, bool lose) {
  Workbench bench(kSteps), fresh(kSteps);
  option.set(bench.spec());
  option.set(fresh.spec());
  Model model = testing::tiny_model();
  auto trainer = std::make_unique<Trainer>(model, bench.training);
  for (int i = 0; i < stop_at; ++i) trainer->step();
  Left left;
  if (!lose) {
    finish(*trainer, model, left);
    return left;
  }
  State state;
  trainer->save(state);
  for (auto& [name, tensor] : state.tensors) tensor = tensor.detach().clone();
  state.json = Json::parse(state.json.dump());
  Model kept = model.clone();
  trainer.reset();
  Trainer resumed(kept, fresh.training, &state);
  EXPECT_EQ(resumed.step_index(), stop_at);
  finish(resumed, kept, left);
  return left;
}

class Resume : public ::testing::TestWithParam<Option> {};

TEST_P(Resume, GoesOnToTheSameBits) {
  for (int stop_at : {1, 7, 11}) {
    const Left whole = train_with(GetParam(), stop_at, false);
    const Left resumed = train_with(GetParam(), stop_at, true);
    EXPECT_EQ(whole.metrics, resumed.metrics) << "stopped at step " << stop_at;
    for (const auto& [name, tensor] : whole.weights)
      EXPECT_TRUE(at::equal(tensor, resumed.weights.at(name))) << name;
  }
}

std::vector<Option> options() {
  return {
      {"adamw", [](TrainingSpec&) {}},
      {"adamax", [](TrainingSpec& s) { s.optimiser = OptimiserKind::kAdamax; }},
      {"cosine", [](TrainingSpec& s) { s.schedule = ScheduleKind::kCosine; }},
      {"cyclic",
       [](TrainingSpec& s) {
         s.schedule = ScheduleKind::kCyclic;
         s.cycles = 3;
         s.warmup_steps = 5;
       }},
      {"ema", [](TrainingSpec& s) { s.ema = 0.9; }},
      {"patience",
       [](TrainingSpec& s) {
         s.evaluate_every = 3;
         s.patience = 4;
       }},
      {"bf16", [](TrainingSpec& s) { s.precision = Precision::kBf16; }},
      {"checkpointing", [](TrainingSpec& s) { s.gradient_checkpointing = true; }},
      {"bf16_in_pieces_with_checkpointing",
       [](TrainingSpec& s) {
         s.precision = Precision::kBf16;
         s.gradient_checkpointing = true;
         s.micro_batch_size = 4;
       }},
  };
}

INSTANTIATE_TEST_SUITE_P(EveryOption, Resume, ::testing::ValuesIn(options()),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace espalier
