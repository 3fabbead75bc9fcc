// One pruner, distiller or exit method by name, at work on the tiny model.
#pragma once

#include <memory>
#include <ostream>
#include <string>

#include "core/distill/registry.h"
#include "core/exit/registry.h"
#include "core/prune/registry.h"
#include "core/train/trainer.h"
#include "tests/testing/tiny_model.h"

namespace espalier {

struct Case {
  std::string pruner, distiller, exit;
  friend std::ostream& operator<<(std::ostream& out, const Case& c) {
    return out << c.pruner << "_" << c.distiller << "_" << c.exit;
  }
};

// A training of the tiny model with the methods of a case.
struct Bench {
  Examples examples = testing::tiny_examples(96);
  std::unique_ptr<Task> task = *make_task("text-classification");
  Teacher teacher{testing::tiny_model(2), "teacher"};
  std::unique_ptr<Pruner> pruner;
  std::unique_ptr<Distiller> distiller;
  std::unique_ptr<ExitMethod> exit;
  Training training;

  explicit Bench(const Case& c, double sparsity = 0.5, int steps = 6) {
    training.phase = "law";
    training.spec.steps = steps;
    training.spec.batch_size = 8;
    training.spec.micro_batch_size = 8;
    training.spec.learning_rate = 1e-3;
    training.task = task.get();
    training.train = &examples;
    training.teachers = {&teacher};
    if (!c.pruner.empty()) {
      Json options = {{"interval", 1}};
      pruner = *pruners().make(c.pruner, options);
      pruner->aim({sparsity});
      training.pruner = pruner.get();
    }
    if (!c.distiller.empty()) {
      distiller = *distillers().make(c.distiller, nullptr);
      training.distillers = {distiller.get()};
    }
    if (!c.exit.empty()) {
      exit = *exit_methods().make(c.exit, nullptr);
      training.exit = exit.get();
    }
  }
};

}  // namespace espalier
