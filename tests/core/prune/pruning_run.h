// A training of the tiny model with one pruner of a kind.
#pragma once

#include <memory>

#include "core/train/trainer.h"
#include "tests/testing/tiny_model.h"

namespace espalier {

template <class Kind>
struct PruningRun {
  Examples examples = testing::tiny_examples(96), held_out = testing::tiny_examples(32, 9);
  std::unique_ptr<Task> task = *make_task("text-classification");
  Kind pruner;
  Training training;
  Model model = testing::tiny_model();

  PruningRun(const typename Kind::Options& options, double sparsity, int steps = 6)
      : pruner(options) {
    pruner.aim({sparsity});
    training.phase = "prune";
    training.spec.steps = steps;
    training.spec.batch_size = training.spec.micro_batch_size = 8;
    training.spec.learning_rate = 1e-3;
    training.task = task.get();
    training.train = &examples;
    training.pruner = &pruner;
  }
  // The gates that it ends with.
  Gates trained() {
    Trainer trainer(model, training);
    while (!trainer.done()) trainer.step();
    trainer.finish();
    return trainer.final_gates();
  }
};

}  // namespace espalier
