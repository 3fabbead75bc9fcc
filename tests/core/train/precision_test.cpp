// Trainings in bf16 and with recomputed activations.
#include <gtest/gtest.h>

#include "tests/core/train/workbench.h"

namespace espalier {
namespace {

using testing::Workbench;

struct Course {
  std::vector<double> losses;
  std::map<std::string, Tensor> weights;
};

Course course_of(const TrainingSpec& spec) {
  Workbench bench(static_cast<int>(spec.steps));
  bench.spec() = spec;
  Model model = testing::tiny_model();
  Trainer trainer(model, bench.training);
  Course out;
  while (!trainer.done()) {
    trainer.step();
    out.losses.push_back(trainer.metrics().at("loss"));
  }
  out.weights = model.clone().tensors();
  return out;
}

TEST(Trainer, LearnsInBf16AsInFp32) {
  TrainingSpec spec = Workbench(20).spec();
  spec.batch_size = spec.micro_batch_size = 64;  // the same rows in every step
  spec.learning_rate = 1e-2;
  spec.dropout = 0;
  const Course exact = course_of(spec);
  spec.precision = Precision::kBf16;
  const Course half = course_of(spec);
  EXPECT_NE(half.losses.front(), exact.losses.front());
  EXPECT_NEAR(half.losses.front(), exact.losses.front(), 2e-2 * exact.losses.front());
  EXPECT_LT(half.losses.back(), 0.7 * half.losses.front());
  EXPECT_NEAR(half.losses.back(), exact.losses.back(), 0.1 * exact.losses.front());
  for (const auto& [name, weight] : half.weights)
    EXPECT_EQ(weight.scalar_type(), at::kFloat) << name;
}

TEST(Trainer, CheckpointingChangesNoBit) {
  for (Precision precision : {Precision::kFp32, Precision::kBf16}) {
    TrainingSpec spec = Workbench(6).spec();
    spec.micro_batch_size = 3;  // 3 + 3 + 2
    spec.dropout = 0.2;
    spec.precision = precision;
    const Course kept = course_of(spec);
    spec.gradient_checkpointing = true;
    const Course again = course_of(spec);
    EXPECT_EQ(kept.losses, again.losses);
    for (const auto& [name, weight] : kept.weights)
      EXPECT_TRUE(at::equal(weight, again.weights.at(name))) << name;
  }
}

}  // namespace
}  // namespace espalier
