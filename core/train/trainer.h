// The trainer: one loop, parameter groups, selection of the best state, checkpoint and resume. It
// names no method; what a technique does stands in its hooks (method/method.h).
//
// A resumed run continues to the same bits on the same compute class: batches, dropout and every
// other draw come from (seed, phase, step, micro, purpose), and save() holds all the rest.
//
// With TrainingSpec::precision bf16 the walks of a step, teachers' too, multiply in bf16
// (model/matmul_precision.h). Evaluations are fp32 always: they select what is served in fp32.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/data/dataset.h"
#include "core/method/method.h"
#include "core/model/train_backend.h"
#include "core/spec/recipe.h"
#include "core/train/best_state.h"
#include "core/train/loss_watch.h"
#include "core/train/memory_peak.h"
#include "core/train/optimiser.h"
#include "core/train/prefetch.h"
#include "core/train/weight_average.h"

namespace espalier {

// What one training consists of. Pointers must outlive the trainer; methods may be null or empty.
struct Training {
  std::string phase;
  TrainingSpec spec;
  uint64_t seed = 1;
  const Task* task = nullptr;
  Reading reading;  // of the model that is trained
  const Examples* train = nullptr;
  // May be null. Where a method asks for teachers, steps draw these rows too, and epochs count
  // them; else nobody could learn from them, and they are left alone.
  const Examples* unlabelled = nullptr;
  const Examples* select = nullptr;  // null: the last state is the result
  std::vector<const Teacher*> teachers;
  Pruner* pruner = nullptr;
  std::vector<Distiller*> distillers;
  ExitMethod* exit = nullptr;
  std::function<void()> tick;         // while methods look at rows outside of steps; may throw
  std::vector<double> class_weights;  // by label id, see spec/class_weights.h; empty: all the same
  int sampler_window = Sampler::kWindow;  // batches whose rows are sorted by length together
};

class Trainer : public Session {
 public:
  // `model` is trained in place. With `resume` everything continues where save() stood; `model`
  // must then be the model as it was there (the caller keeps it, heads included).
  Trainer(Model& model, const Training& training, const State* resume = nullptr);
  ~Trainer() override;

  int64_t step_index() const { return step_; }
  int64_t total_steps() const { return total_; }
  // That steps draw from: those of train, and unlabelled ones where somebody teaches.
  int64_t rows() const { return pool_.size(); }
  // After the last step, or when `patience` evaluations in a row brought nothing better.
  bool done() const { return step_ >= total_ || stopped_early(); }
  bool stopped_early() const {
    return training_.spec.patience > 0 && best_.stale() >= training_.spec.patience;
  }
  // One optimiser step. Throws StatusError (OUT_OF_RANGE, naming the step) when the loss is
  // no number any more or, without a pruner, has blown up (loss_watch.h). When memory runs out the
  // step is done again on micro-batches of half the size, down to single examples, with the same
  // rows and gates; the smaller size stays, also after a resume.
  //
  // The host waits for a device once a step, for the loss: gradients of one that is no number are
  // seen by nobody.
  void step();
  // After the last step: the best state (if states were selected; with a pruner, among those that
  // it says are eligible) or else the averaged weights (if they are averaged) are put into the
  // model, and methods finish.
  void finish();
  // Tells methods what fold() kept of the model, which must be the folded one by then.
  void folded(const FoldMap& map);
  // Figures of the last step: loss, learning_rate, examples (so far), micro_batch_size, and
  // select_metric of the last evaluation.
  const std::map<std::string, double>& metrics() const { return metrics_; }
  // Whether the last step was evaluated behind, so that select_metric is of it.
  bool evaluated() const {
    const int64_t every = training_.spec.evaluate_every > 0 ? training_.spec.evaluate_every
                                                            : sampler_.batches_per_epoch();
    return training_.select != nullptr && step_ > 0 && (step_ % every == 0 || step_ == total_);
  }
  // The pruner's evaluation gates after the last step, sealed; empty without one.
  Gates final_gates() const { return gates_at(total_); }
  // The same, settled: what fold() is to be given.
  Gates gates_to_fold();
  // The weights as the training would leave them now: averaged, if they are averaged.
  Model averaged() const { return average_->of(model_); }
  // Optimiser, averaged weights, methods and the best state so far; all but the model.
  void save(State& state) const;

  Model& model() override { return model_; }
  const Task& task() const override { return *training_.task; }
  size_t teachers() const override { return training_.teachers.size(); }
  const Teacher& teacher(size_t teacher) const override { return *training_.teachers.at(teacher); }
  uint64_t seed(const std::string& purpose, int64_t step) const override;
  void task_gradients(const Gates& gates, int64_t draw, const Look& look = {}) override;
  std::vector<Batch> sample(int64_t draw) const override;
  void rewritten(const std::vector<Tensor>& tensors) override;

 private:
  std::vector<Batch> micro_batches(const std::vector<int64_t>& rows, int64_t draw) const;
  // A micro-batch's part in its step. The task's loss is a mean over the answers whose label is
  // known, those of methods are means over all.
  struct Share {
    double answers = 1, labelled = 1;
  };
  // The loss of it all, float64, without gradients.
  Tensor run_micro(const Step& step, const Batch& batch, int64_t micro,
                   const std::vector<Gates>& leaves, const Share& share);
  // Runs `pass`, a walk forward and backward over micro_batches(). False: memory ran out, and
  // micro-batches are half as large from now on; RESOURCE_EXHAUSTED is thrown when they cannot be.
  bool fits(const std::function<void()>& pass);
  Gates gates_at(int64_t step) const;
  void halve_micro_batch(const absl::Status& status);
  void check_loss(double loss);
  void select_best();
  // Of all methods together.
  State save_methods() const;
  void load_methods(const State& state);
  void load(const State& state);

  Model& model_;
  Training training_;
  std::vector<Method*> methods_;
  Needs needs_;
  ExamplePool pool_;  // what steps draw
  TrainBackend backend_;
  std::vector<TrainBackend> teacher_backends_;  // one for each teacher; its casts are kept
  Sampler sampler_;
  std::unique_ptr<Optimiser> optimiser_;
  std::unique_ptr<WeightAverage> average_;
  int64_t step_ = 0, total_ = 0;
  std::map<std::string, double> metrics_;
  int64_t micro_batch_size_;  // what memory has allowed so far
  bool on_cuda_;
  LossWatch loss_watch_;
  MemoryPeak peak_;
  BestState best_;
  Prefetch batches_;  // the micro-batches of each step; last, for it reads the rest
};

// Optimiser steps of a training over `examples` rows, labelled or not.
int64_t training_steps(const TrainingSpec& spec, int64_t examples);

}  // namespace espalier
