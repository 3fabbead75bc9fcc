// The arithmetic of each method by hand, beside the laws that every method obeys.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <stdexcept>

#include "core/distill/soft_labels.h"
#include "core/exit/deebert.h"
#include "core/exit/deebert_policy.h"
#include "core/model/task_loss.h"
#include "core/model/walk.h"
#include "core/prune/registry.h"
#include "core/prune/taylor.h"
#include "core/train/trainer.h"
#include "tests/testing/tiny_model.h"

namespace espalier {
namespace {

using testing::max_gap;

TEST(SoftLabels, LossByHand) {
  // Teacher (ln 3, 0) -> (3/4, 1/4); student (0, 0) -> (1/2, 1/2), at temperature 1.
  Tensor teacher = torch::tensor({{std::log(3.0), 0.0}}), student = at::zeros({1, 2});
  double expected = 0.75 * std::log(1.5) + 0.25 * std::log(0.5);
  EXPECT_NEAR(kl_with_temperature(student, teacher, 1).item<double>(), expected, 1e-6);
}

TEST(SoftLabels, TemperatureSquaredKeepsTheScaleOfTheGradient) {
  Tensor teacher = torch::tensor({{0.02, -0.01, 0.0}});
  auto slope = [&](double t) {
    Tensor student = at::zeros({1, 3}).set_requires_grad(true);
    kl_with_temperature(student, teacher, t).backward();
    return student.grad().norm().item<double>();
  };
  EXPECT_NEAR(slope(1) / slope(8), 1, 0.02);
}

TEST(DeeBert, EntropyIsExactAtBothEnds) {
  EXPECT_NEAR(entropy(at::zeros({1, 4})).item<double>(), std::log(4.0), 1e-6);
  EXPECT_EQ(entropy(torch::tensor({{1000.0, -1000.0}})).item<double>(), 0);
  double inf = std::numeric_limits<double>::infinity();
  EXPECT_EQ(entropy(torch::tensor({{0.0, -inf}})).item<double>(), 0);
}

TEST(DeeBert, LeavesOnlyStrictlyBelowTheThreshold) {
  LayerView view;
  view.logits = at::zeros({2, 2});
  RowState state;
  float ln2 = entropy(view.logits)[0].item<float>();
  state.knobs.threshold = torch::tensor({ln2, std::nextafter(ln2, 2.0f)});
  Leave leave = DeeBertPolicy().leave(view, state);
  EXPECT_FALSE(leave.go[0].item<bool>());
  EXPECT_TRUE(leave.go[1].item<bool>());
}

struct NoTeachers : Teachers {
  size_t count() const override { return 0; }
  const Trace& trace(size_t) override { throw std::logic_error("there is no teacher"); }
};

TEST(DeeBert, WeighsLabelsAsTheTaskLossDoes) {
  // Losses log 4/3 and log 2 of rows that count 3 and 1.
  Trace student;
  student.exit_logits = {torch::tensor({0.0, std::log(3.0), 2.0, 2.0}).view({2, 2})};
  Batch batch;
  batch.lengths = {1, 1};
  batch.labels = torch::tensor({1, 0}, torch::kInt64);
  weigh_classes(Objective::kClass, {1, 3}, {&batch, 1});
  NoTeachers teachers;
  const Gates gates{};
  const Step step{};
  EXPECT_NEAR(DeeBert{{}}.loss({step, batch, gates, student, teachers}).item<double>(),
              (3 * std::log(4.0 / 3) + std::log(2)) / 4, 1e-6);
}

TEST(DeeBert, LeavesTheBackboneAsItWas) {
  Model model = testing::tiny_model();
  auto before = model.clone().tensors();
  Examples examples = testing::tiny_examples(64);
  auto task = *make_task("text-classification");
  DeeBert method{{}};
  Training training;
  training.phase = "exits";
  training.spec.steps = 5;
  training.spec.batch_size = training.spec.micro_batch_size = 8;
  training.spec.learning_rate = 1e-2;
  training.task = task.get();
  training.train = &examples;
  training.exit = &method;
  Trainer trainer(model, training);
  Tensor head = model.heads[0].classifier.weight.detach().clone();
  while (!trainer.done()) trainer.step();
  for (const auto& [name, tensor] : before)
    EXPECT_EQ(max_gap(tensor, model.tensors().at(name)), 0) << name;
  EXPECT_GT(max_gap(head, model.heads[0].classifier.weight), 0);
}

TEST(Taylor, TheGateGradientIsTheSumOfGradientTimesWeight) {
  // dL/dm of head h at m = 1 equals sum over its columns of W_o of dL/dW_o * W_o.
  Model model = testing::tiny_model();
  model.set_requires_grad(true);
  Gates gates;
  gates.head = at::ones({3, 4}).set_requires_grad(true);
  gates.neuron = at::ones({3, 24}).set_requires_grad(true);
  gates.seal(model.config);
  TrainBackend backend(model);
  Batch batch = testing::tiny_batch(testing::tiny_examples(16), 16);
  task_loss(Objective::kClass, walk(backend, batch, gates).logits, batch).backward();
  const Linear& output = model.layers[1].output;
  Tensor by_weight = (output.weight.grad() * output.weight.detach()).sum(0).view({4, 4}).sum(1);
  EXPECT_LE(max_gap(gates.head.grad()[1], by_weight), 1e-5);
  const Linear& down = model.layers[2].down;
  EXPECT_LE(max_gap(gates.neuron.grad()[2], (down.weight.grad() * down.weight.detach()).sum(0)),
            1e-5);
}

TEST(Taylor, AveragesWithoutTheBiasOfAYoungAverage) {
  TaylorScore score(0.9, false);
  Unit unit{Unit::Kind::kHead, "", 0, 2, 1};
  score.see(unit, {}, {}, torch::tensor({-2.0, 1.0}));
  EXPECT_LE(max_gap(score.value(unit, {}), torch::tensor({4.0, 1.0}, at::kDouble)), 1e-12);
  score.see(unit, {}, {}, torch::tensor({0.0, 1.0}));
  EXPECT_NEAR(score.value(unit, {})[0].item<double>(), 4 * 0.9 / 1.9, 1e-12);
}

TEST(Magnitude, ClosesTheSmallestWeights) {
  Model model = testing::tiny_model();
  Examples examples = testing::tiny_examples(32);
  auto task = *make_task("text-classification");
  auto pruner = *pruners().make("magnitude", Json{{"interval", 1}});
  pruner->aim({0.5});
  Training training;
  training.phase = "prune";
  training.spec.steps = 2;
  training.spec.learning_rate = 0;
  training.spec.batch_size = training.spec.micro_batch_size = 8;
  training.task = task.get();
  training.train = &examples;
  training.pruner = pruner.get();
  Trainer trainer(model, training);
  while (!trainer.done()) trainer.step();
  trainer.finish();
  Gates gates = trainer.final_gates();
  double largest_closed = 0, smallest_open = 1e9;
  model.for_each_linear([&](const std::string& name, Linear& linear) {
    Tensor gate = gates.weight.at(name), size = linear.weight.abs();
    largest_closed = std::max(largest_closed, (size * (1 - gate)).max().item<double>());
    smallest_open = std::min(smallest_open, size.masked_fill(gate.eq(0), 1e9).min().item<double>());
  });
  EXPECT_LE(largest_closed, smallest_open);
}

// Two gates and a penalty that hang on one node, as CoFi's masks and its Lagrangian do.
struct SharedGates : Pruner {
  Tensor alpha = at::zeros({1}).set_requires_grad(true), open;
  void aim(const Aim&) override {}
  double reached() const override { return 0; }
  std::vector<Gates> gates(const Step&, Mode) override {
    open = at::sigmoid(alpha);
    Gates gates;
    gates.head = open.expand({3, 4}).clone();
    gates.neuron = open.expand({3, 24}).clone();
    return {gates};
  }
  Tensor penalty(const Step& step) override {
    learning_rates.push_back(step.learning_rate);
    return open.sum() * 100;  // outweighs the task
  }
  std::vector<ParamGroup> parameters() override {
    ParamGroup group{"alpha", {alpha}, 0.01};
    group.scheduled = false;
    return {group};
  }
  std::vector<double> learning_rates;
};

TEST(Trainer, GatesAndPenaltyShareOneBackward) {
  Model model = testing::tiny_model();
  Examples examples = testing::tiny_examples(64);
  auto task = *make_task("text-classification");
  SharedGates pruner;
  Training training;
  training.phase = "prune";
  training.spec.steps = 3;
  training.spec.batch_size = training.spec.micro_batch_size = 16;
  training.spec.dropout = 0;
  training.task = task.get();
  training.train = &examples;
  training.pruner = &pruner;
  Trainer trainer(model, training);
  double before = 0;
  while (!trainer.done()) {
    trainer.step();
    // Unscheduled: the first step's learning rate is not the schedule's 0.
    EXPECT_GT(std::abs(pruner.alpha.item<double>() - before), 1e-3);
    before = pruner.alpha.item<double>();
  }
  EXPECT_LT(before, 0);  // the penalty closes them
  EXPECT_EQ(pruner.learning_rates.front(), 0);
}

TEST(Trainer, LearnsWhatCanBeLearned) {
  Model model = testing::tiny_model();
  Examples examples = testing::tiny_examples(400), held_out = testing::tiny_examples(200, 9);
  auto task = *make_task("text-classification");
  Training training;
  training.phase = "finetune";
  training.spec.epochs = 12;
  training.spec.batch_size = training.spec.micro_batch_size = 16;
  training.spec.learning_rate = 3e-3;
  training.task = task.get();
  training.train = &examples;
  training.select = &held_out;
  Trainer trainer(model, training);
  while (!trainer.done()) trainer.step();
  trainer.finish();
  EXPECT_GT(trainer.metrics().at("select_metric"), 75);
}

TEST(Trainer, SaysAtWhichStepItDiverged) {
  Model model = testing::tiny_model();
  model.classifier.bias.fill_(std::numeric_limits<float>::quiet_NaN());
  Examples examples = testing::tiny_examples(16);
  auto task = *make_task("text-classification");
  Training training;
  training.phase = "finetune";
  training.spec.steps = 3;
  training.task = task.get();
  training.train = &examples;
  Trainer trainer(model, training);
  try {
    trainer.step();
    FAIL() << "a NaN went unnoticed";
  } catch (const std::exception& e) {
    EXPECT_NE(std::string(e.what()).find("at step 1 of phase finetune"), std::string::npos)
        << e.what();
  }
}

TEST(Sampler, SeesEveryRowOnceAnEpoch) {
  Examples examples = testing::tiny_examples(96);
  for (int window : {1, Sampler::kWindow}) {
    Sampler sampler(examples, 8, 1, "train", window);
    std::vector<int64_t> seen;
    for (int64_t step = 0; step < sampler.batches_per_epoch(); ++step) {
      for (int64_t row : sampler.rows(step)) seen.push_back(row);
    }
    std::sort(seen.begin(), seen.end());
    for (int64_t i = 0; i < 96; ++i) EXPECT_EQ(seen[i], i) << window;
  }
}

TEST(Sampler, LeavesNoRowOutForLong) {
  Examples examples = testing::tiny_examples(100);  // 12 batches of 8 and 4 rows that wait
  Sampler sampler(examples, 8, 1, "train");
  std::set<int64_t> seen;
  for (int64_t step = 0; step < 10 * sampler.batches_per_epoch(); ++step) {
    for (int64_t row : sampler.rows(step)) seen.insert(row);
  }
  EXPECT_EQ(seen.size(), 100u);
}

TEST(DeeBert, ABrokenHeadIsNotAConfidentOne) {
  Tensor logits = at::full({1, 3}, std::numeric_limits<float>::quiet_NaN());
  EXPECT_FALSE(entropy(logits).lt(1.0).item<bool>());
  EXPECT_EQ(entropy(torch::tensor({{200.0f, 0.0f}})).item<float>(), 0.0f);
}

TEST(Sampler, IsAFunctionOfTheStepAlone) {
  Examples examples = testing::tiny_examples(96);
  Sampler forward(examples, 8, 1, "train"), jumped(examples, 8, 1, "train");
  std::vector<std::vector<int64_t>> all;
  for (int64_t step = 0; step < 30; ++step) all.push_back(forward.rows(step));
  EXPECT_EQ(jumped.rows(25), all[25]);
  EXPECT_EQ(jumped.rows(3), all[3]);
}

}  // namespace
}  // namespace espalier
