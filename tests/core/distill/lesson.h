// A distiller between two models: its loss on one batch, and what a training makes of that.
#pragma once

#include <memory>
#include <utility>

#include "core/model/walk.h"
#include "tests/core/train/workbench.h"

namespace espalier::testing {

// The tiny model in another depth and width: 4 heads of `head_dim`.
inline Model shaped_model(int layers, int head_dim, uint64_t seed) {
  ModelConfig config = tiny_config();
  config.hidden = config.pooler_width = 4 * head_dim;
  config.layers.assign(static_cast<size_t>(layers), LayerShape{{0, 1, 2, 3}, head_dim, 24});
  return random_model(config, seed);
}

class OneTeacher : public Teachers {
 public:
  explicit OneTeacher(Trace trace) : trace_(std::move(trace)) {}
  size_t count() const override { return 1; }
  const Trace& trace(size_t) override { return trace_; }

 private:
  Trace trace_;
};

struct Lesson {
  Workbench bench;
  Model student;
  Teacher teacher;
  Distiller& distiller;
  Batch batch;
  std::unique_ptr<Trainer> trainer;  // has prepared the distiller

  explicit Lesson(Distiller& method, Model learns = tiny_model(), Model teaches = tiny_model(2),
                  int steps = 60)
      : bench(steps),
        student(std::move(learns)),
        teacher{std::move(teaches), "teacher"},
        distiller(method),
        batch(tiny_batch(bench.examples, 8)) {
    bench.spec().dropout = 0;
    bench.spec().learning_rate = 5e-3;
    bench.training.select = nullptr;
    bench.training.teachers = {&teacher};
    bench.training.distillers = {&distiller};
    trainer = std::make_unique<Trainer>(student, bench.training);
  }

  Trace student_trace(const Gates& gates = {}) const {
    return trace_of(student, gates, distiller.needs().student);
  }
  Trace teacher_trace() const { return trace_of(teacher.model, {}, distiller.needs().teacher); }
  // Of the batch, in the training's step `index`; `gates` are sealed.
  double loss(const Gates& gates = {}, int64_t index = 0) const {
    const Trace ours = student_trace(gates);
    OneTeacher theirs(teacher_trace());
    const Step step{index, trainer->total_steps(), std::span<const Batch>(&batch, 1)};
    torch::NoGradGuard no_grad;
    return distiller.loss({step, batch, gates, ours, theirs}).item<double>();
  }
  // The same before the training and after it.
  std::pair<double, double> train() {
    const double before = loss();
    while (!trainer->done()) trainer->step();
    return {before, loss()};
  }

 private:
  Trace trace_of(const Model& model, const Gates& gates, const Record& record) const {
    torch::NoGradGuard no_grad;
    TrainBackend backend(model);
    WalkOptions options;
    options.record = record;
    return walk(backend, batch, gates, options);
  }
};

}  // namespace espalier::testing
