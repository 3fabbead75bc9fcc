// One pruner, distiller or exit method by name, at work on the tiny model.
#pragma once

#include <memory>
#include <ostream>
#include <string>

#include "core/distill/registry.h"
#include "core/exit/registry.h"
#include "core/model/walk.h"
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

// Cuts at every step, where it makes cuts; looks at few rows, where it looks at rows at first, and
// solves equations that do not make much of their rounding.
inline std::unique_ptr<Pruner> make_pruner(const std::string& name) {
  if (name == "ziplm") return *pruners().make(name, {{"rows", 64}, {"damp", 0.1}});
  if (name == "fisher") return *pruners().make(name, {{"batches", 8}});
  auto often = pruners().make(name, {{"interval", 1}});
  return often.ok() ? *std::move(often) : *pruners().make(name, nullptr);
}

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
      pruner = make_pruner(c.pruner);
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

// A tiny model with trained-in exits of each method.
inline Model with_exits(const std::string& method) {
  Bench bench({"", "", method}, 0, 30);
  bench.training.spec.learning_rate = 1e-2;
  Model model = testing::tiny_model();
  Trainer trainer(model, bench.training);
  while (!trainer.done()) trainer.step();
  trainer.finish();
  return model;
}

struct Answered {
  Tensor logits, exit_layer;
};

inline Answered answer(Backend& backend, const ExitPolicy* policy, const Batch& batch,
                       double threshold, int max_layer = 3) {
  torch::NoGradGuard no_grad;
  WalkOptions options;
  options.policy = policy;
  options.knobs.threshold = at::full({batch.rows()}, threshold, at::kFloat);
  options.knobs.max_layer = at::full({batch.rows()}, max_layer, at::kLong);
  Trace trace = walk(backend, batch, {}, options);
  return {trace.logits, trace.exit_layer};
}

}  // namespace espalier
