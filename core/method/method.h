// What any technique may do to training. Every hook is optional, and the trainer names no method.
//
// One optimiser step: before_step -> gates -> for each micro-batch: walk the student (and teachers,
// if anyone reads them), task loss + losses, backward onto detached gates -> one backward into
// gates and penalty -> after_backward -> clip, optimiser -> after_step. So accumulation counts a
// penalty once and a sampled gate is sampled once a step. When memory runs out between `gates` and
// the last micro-batch, that part of the step is done again on smaller micro-batches (the gates are
// kept): loss() must not count on being asked once. When it runs out in a before_step, inside
// Session::task_gradients, the step itself begins with the smaller ones.
#pragma once

#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/base/registry.h"
#include "core/method/state.h"
#include "core/model/cost.h"
#include "core/model/exit_policy.h"
#include "core/model/fold.h"
#include "core/model/gates.h"
#include "core/model/trace.h"
#include "core/task/task.h"

namespace espalier {

enum class Mode { kTrain, kEval };

// One optimiser step.
struct Step {
  int64_t index = 0, total = 0;
  std::span<const Batch> micro;
  double learning_rate = 0;  // of the model's parameters in this step
};

// A dense or otherwise larger model that shows the student what to do.
struct Teacher {
  Model model;
  std::string name;
  // Of the metric that decides, on the select split; larger is better. NaN where nobody asked.
  double figure = std::numeric_limits<double>::quiet_NaN();
};

// Teachers' traces of one micro-batch: computed when first asked for, then remembered.
class Teachers {
 public:
  virtual ~Teachers() = default;
  virtual size_t count() const = 0;
  virtual const Trace& trace(size_t teacher) = 0;
};

// One micro-batch through one set of gates.
struct Pass {
  const Step& step;
  const Batch& batch;
  const Gates& gates;
  const Trace& student;
  Teachers& teachers;
};

// Sees a model whose weights hold gradients.
using Look = std::function<void(const Model&)>;

// What a method may reach. Implemented in train.
class Session {
 public:
  virtual ~Session() = default;
  virtual Model& model() = 0;
  virtual const Task& task() const = 0;
  virtual size_t teachers() const = 0;
  virtual const Teacher& teacher(size_t teacher) const = 0;
  virtual uint64_t seed(const std::string& purpose, int64_t step) const = 0;
  // Gradients of the task loss on a batch of the train split, for calibration before training; they
  // land in the .grad of the gates' tensors that require grad. `draw` numbers the batch. `look`, if
  // there is one, is called once behind the batch, with the gradients of its weights, which are
  // gone afterwards.
  virtual void task_gradients(const Gates& gates, int64_t draw, const Look& look = {}) = 0;
  // Rows that steps draw from, for a method that looks at inputs and walks the model itself
  // (statistics of activations): one batch in micro-batches, the same ones for the same draw.
  virtual std::vector<Batch> sample(int64_t draw) const = 0;
  // To be told when a method has put other values into these tensors of the model by itself: what
  // is averaged over steps begins anew with them, as an average over the old ones would undo what
  // was done. The optimiser's state stays.
  virtual void rewritten(const std::vector<Tensor>& tensors) {}
};

// Parameters that a method owns itself.
struct ParamGroup {
  std::string name;
  std::vector<Tensor> parameters;
  double learning_rate = 1e-3, weight_decay = 0;
  bool clip = true;
  bool ascend = false;    // the trainer flips the gradient (Lagrange multipliers)
  bool scheduled = true;  // false: the learning rate stays as it is, without warm-up and decay
};

struct Needs {
  Record student, teacher;
  // Asks for teachers' traces. They can speak about any row, so micro-batches then hold rows
  // without labels too (Batch::labelled), where the data set has some.
  bool teachers = false;
  bool whole_batch = false;  // the loss is no mean over units: a step may not be split
  bool answers = false;      // the loss teaches what the task head answers
};

class Method {
 public:
  virtual ~Method() = default;
  virtual void prepare(Session&) {}
  virtual void before_step(Session&, const Step&) {}
  // A mean over the micro-batch's answers (Batch::answers), labelled or not.
  virtual Tensor loss(const Pass&) { return {}; }
  virtual Tensor penalty(const Step&) { return {}; }
  virtual double task_weight(const Step&) const { return 1; }
  virtual void after_backward(Session&, const Step&) {}
  virtual void after_step(Session&, const Step&) {}
  virtual void finish(Session&) {}
  virtual void folded(Session&, const FoldMap&) {}
  virtual std::vector<ParamGroup> parameters() { return {}; }
  // Whether the optimiser may move this tensor of the model.
  virtual bool trains(const std::string& name) const { return true; }
  virtual Needs needs() const { return {}; }
  virtual void save(State&) const {}
  virtual void load(const State&) {}
};

// What a pruner aims at: a share of what the dense model costs that is to go.
struct Aim {
  double sparsity = 0;
  std::shared_ptr<const CostFunction> cost;  // null: parameters of the layers
  // A share at which a milestone is taken on the way. A pruner that cannot reopen waits there until
  // it is raised.
  double stop = 1;
  Cost cost_of(const ModelConfig& config) const {
    return cost == nullptr ? Cost(config) : Cost(config, cost);
  }
};

class Pruner : public Method {
 public:
  virtual void aim(const Aim&) = 0;
  // Whether a model of these shapes can be brought to the aim at all; asked before anything is
  // trained. INVALID_ARGUMENT says what would work.
  virtual absl::Status check(const ModelConfig&) const { return absl::OkStatus(); }
  // Usually one; DynaBERT: all widths. kTrain may sample, kEval is deterministic. A tensor that
  // requires grad gets its gradient after backward.
  virtual std::vector<Gates> gates(const Step&, Mode) = 0;
  // The share of the aim's cost that the steps so far have asked for.
  virtual double reached() const = 0;
  // Asked before a job starts: whether only whole heads, neurons and sub-layers are closed, so that
  // what is left of a matrix has no holes.
  virtual bool closes_units() const { return true; }
  // May this state be the one that is folded? The best of those that may is taken, and the last
  // one where no evaluation met any.
  virtual bool eligible() const { return true; }
  // Whether a unit that was closed may open again.
  virtual bool reopens() const { return false; }
  // Whether models of all sizes are trained at once, so that milestones are taken at the end and
  // not on the way.
  virtual bool has_all_sizes() const { return false; }
  // Just before gates of this pruner are folded: the last change of the weights, and the gates that
  // are to be folded with it.
  virtual Gates settle(Session&, Gates gates) { return gates; }
};

class Distiller : public Method {};

class ExitMethod : public Method {
 public:
  // Range of exit_threshold, from "never leaves" to "leaves at once", and in which order
  // calibration tries values: candidates() goes from the most careful, with which no row leaves
  // before the last layer, to the boldest.
  struct Range {
    double low = 0, high = 1;
  };
  virtual Range range(int classes, int layers) const = 0;
  virtual std::vector<double> candidates(int classes, int layers) const = 0;
};

using PrunerRegistry = Registry<Pruner>;
using DistillerRegistry = Registry<Distiller>;
using ExitRegistry = Registry<ExitMethod>;

}  // namespace espalier
