// Rows without labels beside those of train.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/distill/soft_labels.h"
#include "core/model/task_loss.h"
#include "core/model/walk.h"
#include "tests/core/train/workbench.h"

namespace espalier {
namespace {

using testing::max_gap;
using testing::tiny_examples;
using testing::tiny_model;
using testing::Workbench;

constexpr SoftLabels::Options kSoft = {.temperature = 2, .weight = 3, .task_weight = 0.5};

Examples without_labels(Examples examples) {
  const int64_t rows = examples.size();
  examples.targets = {};
  for (int64_t i = 0; i < rows; ++i) examples.targets.add_unknown();
  return examples;
}

// Sees the gradients of a step.
struct Spy : Distiller {
  void after_backward(Session& session, const Step&) override {
    session.model().for_each([&](const std::string& name, Tensor& tensor) {
      if (tensor.grad().defined()) gradients[name] = tensor.grad().to_dense().detach().clone();
    });
  }
  std::map<std::string, Tensor> gradients;
};

// One step that sees all rows of six with labels and five without, once.
struct OneStep {
  Examples labelled = tiny_examples(6), unlabelled = without_labels(tiny_examples(5, 3));
  double loss = 0;
  Spy spy;

  explicit OneStep(int micro_batch_size) {
    Workbench bench(1);
    SoftLabels soft(kSoft);
    const Teacher teacher{tiny_model(2), "teacher"};
    bench.spec().batch_size = 11;
    bench.spec().micro_batch_size = micro_batch_size;
    bench.spec().dropout = 0;
    bench.training.train = &labelled;
    bench.training.unlabelled = &unlabelled;
    bench.training.select = nullptr;
    bench.training.teachers = {&teacher};
    bench.training.distillers = {&soft, &spy};
    Model model = tiny_model();
    Trainer trainer(model, bench.training);
    trainer.step();
    loss = trainer.metrics().at("loss");
  }
};

Tensor logits_of(const Model& model, const Batch& batch) {
  TrainBackend backend(model);
  return walk(backend, batch).logits;
}

TEST(Unlabelled, RowsCountForTheTeacherAndNotForTheLabels) {
  const OneStep step(11);
  torch::NoGradGuard no_grad;
  const Batch known = testing::tiny_batch(step.labelled, 6);
  const std::vector<int64_t> all = {0, 1, 2, 3, 4};
  const Batch unknown = make_batch(step.unlabelled, all, false);
  const Model student = tiny_model(), teacher = tiny_model(2);
  const auto kl = [&](const Batch& batch) {
    return kl_with_temperature(logits_of(student, batch), logits_of(teacher, batch), 2)
        .item<double>();
  };
  const double hard = task_loss(Objective::kClass, logits_of(student, known), known).item<double>();
  const double soft = (6 * kl(known) + 5 * kl(unknown)) / 11;
  EXPECT_NEAR(step.loss, 0.5 * hard + 3 * soft, 1e-5 * step.loss);
}

TEST(Unlabelled, MicroBatchesAddUpToTheirStep) {
  const OneStep whole(11);
  for (const int size : {4, 1}) {  // of 1: some have no label at all
    const OneStep parts(size);
    EXPECT_NEAR(parts.loss, whole.loss, 1e-5 * whole.loss);
    ASSERT_EQ(parts.spy.gradients.size(), whole.spy.gradients.size());
    for (const auto& [name, gradient] : whole.spy.gradients) {
      const double size = std::max(1.0, gradient.abs().max().item<double>());
      EXPECT_LE(max_gap(parts.spy.gradients.at(name), gradient), 1e-4 * size) << name;
    }
  }
}

TEST(Unlabelled, RowsAreCountedByEpochsThatSeeThem) {
  Workbench bench(0);
  SoftLabels soft(kSoft);
  const Teacher teacher{tiny_model(2), "teacher"};
  const Examples more = without_labels(tiny_examples(32, 3));
  bench.spec().epochs = 2;
  bench.training.unlabelled = &more;
  bench.training.teachers = {&teacher};
  Model model = tiny_model();
  EXPECT_EQ(Trainer(model, bench.training).total_steps(), 16);  // 64 rows, 8 a step
  bench.training.distillers = {&soft};
  EXPECT_EQ(Trainer(model, bench.training).total_steps(), 24);
  EXPECT_EQ(Trainer(model, bench.training).rows(), 96);
}

TEST(Unlabelled, RowsChangeNothingWhereNobodyTeaches) {
  const Examples more = without_labels(tiny_examples(32, 3));
  const auto weights = [](const Examples* unlabelled) {
    Workbench bench(10);
    bench.training.unlabelled = unlabelled;
    Model model = tiny_model();
    Trainer trainer(model, bench.training);
    while (!trainer.done()) trainer.step();
    return model.clone().tensors();
  };
  const auto alone = weights(nullptr), beside = weights(&more);
  for (const auto& [name, tensor] : alone) EXPECT_TRUE(at::equal(tensor, beside.at(name))) << name;
}

}  // namespace
}  // namespace espalier
