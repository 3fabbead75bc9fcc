// A training of the tiny model without methods, whose options a test sets.
#pragma once

#include <memory>

#include "core/train/trainer.h"
#include "tests/testing/tiny_model.h"

namespace espalier::testing {

struct Workbench {
  Examples examples = tiny_examples(64), held_out = tiny_examples(32, 9);
  std::unique_ptr<Task> task = *make_task("text-classification");
  Training training;

  explicit Workbench(int steps) {
    training.phase = "finetune";
    training.spec.steps = steps;
    training.spec.batch_size = training.spec.micro_batch_size = 8;
    training.spec.learning_rate = 1e-3;
    training.task = task.get();
    training.train = &examples;
    training.select = &held_out;
  }
  TrainingSpec& spec() { return training.spec; }
};

}  // namespace espalier::testing
