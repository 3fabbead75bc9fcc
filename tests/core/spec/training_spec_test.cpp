#include "core/spec/training_spec.h"

#include "tests/core/spec/scratch.h"

namespace espalier {
namespace {

using testing::Refuses;

TrainingSpec read_options(const char* written) {
  auto spec = read_training(Json::parse(written), "finetune", {});
  EXPECT_TRUE(spec.ok()) << spec.status();
  return spec.ok() ? *spec : TrainingSpec{};
}
absl::Status refuse_options(const char* written) {
  return read_training(Json::parse(written), "finetune", {}).status();
}

TEST(TrainingSpec, ReadsWhatOlderRecipesHold) {
  // As resolved before there were schedules to choose from.
  const TrainingSpec spec = read_options(
      R"({"epochs": 2.0, "batch_size": 32, "micro_batch_size": 16, "learning_rate": 5e-5,
          "weight_decay": 0.01, "warmup": 0.2, "clip": 1.0})");
  EXPECT_EQ(spec.micro_batch_size, 16);
  EXPECT_EQ(spec.warmup, 0.2);
  EXPECT_EQ(spec.schedule, ScheduleKind::kLinear);
  EXPECT_EQ(spec.warmup_steps, 0);
}

TEST(TrainingSpec, ReadsASchedule) {
  const TrainingSpec spec = read_options(
      R"({"schedule": "cyclic", "warmup_steps": 7, "cycles": 2.5, "cycle_rise": 0, "cycle_floor": 0.1})");
  EXPECT_EQ(spec.schedule, ScheduleKind::kCyclic);
  EXPECT_EQ(spec.warmup_steps, 7);
  EXPECT_EQ(spec.cycles, 2.5);
  EXPECT_EQ(spec.cycle_rise, 0);
  EXPECT_EQ(spec.cycle_floor, 0.1);
}

TEST(TrainingSpec, ReadsAnOptimiser) {
  const TrainingSpec spec =
      read_options(R"({"optimiser": "adamax", "beta1": 0.8, "beta2": 0.95, "eps": 1e-6})");
  EXPECT_EQ(spec.optimiser, OptimiserKind::kAdamax);
  EXPECT_EQ(spec.beta1, 0.8);
  EXPECT_EQ(spec.beta2, 0.95);
  EXPECT_EQ(spec.eps, 1e-6);
  EXPECT_EQ(read_options("{}").optimiser, OptimiserKind::kAdamW);
}

TEST(TrainingSpec, ReadsHowStepsAreComputed) {
  const TrainingSpec spec =
      read_options(R"({"precision": "bf16", "gradient_checkpointing": true})");
  EXPECT_EQ(spec.precision, Precision::kBf16);
  EXPECT_TRUE(spec.gradient_checkpointing);
  EXPECT_EQ(read_options("{}").precision, Precision::kFp32);
  EXPECT_FALSE(read_options("{}").gradient_checkpointing);
}

TEST(TrainingSpec, IsWrittenWithEveryOption) {
  for (const char* written :
       {"{}",
        R"({"steps": 9, "dropout": 0.3, "schedule": "cosine", "warmup": 0, "warmup_steps": 3})",
        R"({"schedule": "cyclic", "cycles": 3, "cycle_rise": 0.2, "cycle_floor": 0.5})",
        R"({"optimiser": "adamax", "beta1": 0, "beta2": 0.5, "eps": 1e-3, "ema": 0.99})",
        R"({"evaluate_every": 50, "patience": 3, "divergence_factor": 0})",
        R"({"precision": "bf16", "gradient_checkpointing": true})",
        R"({"schedule": "", "optimiser": "", "precision": ""})"}) {
    const Json asked = Json::parse(written), once = write_training(read_options(written));
    auto again = read_training(once, "finetune", {});
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(write_training(*again), once) << written;
    for (const auto& [name, value] : asked.items()) {
      if (value != "") {
        EXPECT_EQ(once.at(name), value) << written;
      }
    }
  }
}

TEST(TrainingSpec, RefusesWithWhatWouldWork) {
  const struct {
    const char *written, *message;
  } kCases[] = {
      {R"({"schedule": "step"})",
       "finetune.schedule is \"step\"; known: linear, cosine, constant, cyclic"},
      {R"({"optimiser": "sgd"})", "finetune.optimiser is \"sgd\"; known: adamw, adamax"},
      {R"({"beta1": 1})", "finetune.beta1 is 1; it must be at least 0 and less than 1"},
      {R"({"beta2": -0.5})", "finetune.beta2 is -0.5"},
      {R"({"eps": 0})", "finetune.eps is 0; it must be above 0"},
      {R"({"ema": 1})", "finetune.ema is 1; it must be at least 0 and less than 1"},
      {R"({"patience": -1})", "finetune.patience is -1"},
      {R"({"evaluate_every": 0.5})", "finetune.evaluate_every must be an integer"},
      {R"({"divergence_factor": 1})",
       "finetune.divergence_factor is 1; it must be at least 2, or 0 to turn"},
      {R"({"schedule": 3})", "finetune.schedule must be a string"},
      {R"({"precision": "fp16"})", "finetune.precision is \"fp16\"; known in training: fp32, bf16"},
      {R"({"precision": "int8"})", "what is published is the recipe's own precision"},
      {R"({"precision": 16})", "finetune.precision must be a string"},
      {R"({"gradient_checkpointing": 1})",
       "finetune.gradient_checkpointing must be true or false, found 1"},
      {R"({"warmup_steps": -1})", "finetune.warmup_steps is -1"},
      {R"({"schedule": "cyclic", "cycles": 0})", "finetune.cycles is 0; it must be above 0"},
      {R"({"schedule": "cyclic", "cycle_floor": 2})", "at most 1"},
      {R"({"schedule": "cyclic", "cycle_rise": -1})", "finetune.cycle_rise is -1"},
      {R"({"cycles": 2})", "finetune.cycles has no place in the schedule \"linear\""},
  };
  for (const auto& c : kCases) EXPECT_THAT(refuse_options(c.written), Refuses(c.message));
}

}  // namespace
}  // namespace espalier
