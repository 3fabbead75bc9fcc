#include "core/train/trainer.h"

#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"
#include "core/base/random.h"
#include "core/model/embedding.h"
#include "core/model/task_loss.h"
#include "core/model/walk.h"
#include "core/train/evaluate.h"
#include "core/train/learning_rate.h"
#include "core/train/parameter_groups.h"
#include "core/train/teacher_traces.h"

namespace espalier {

namespace {

std::vector<Method*> methods_of(const Training& training) {
  std::vector<Method*> out;
  if (training.pruner != nullptr) out.push_back(training.pruner);
  out.insert(out.end(), training.distillers.begin(), training.distillers.end());
  if (training.exit != nullptr) out.push_back(training.exit);
  return out;
}

Needs needs_of(const std::vector<Method*>& methods) {
  Needs out;
  for (const Method* method : methods) {
    const Needs wanted = method->needs();
    out.student = out.student | wanted.student;
    out.teacher = out.teacher | wanted.teacher;
    out.teachers = out.teachers || wanted.teachers;
    out.whole_batch = out.whole_batch || wanted.whole_batch;
  }
  return out;
}

// At least 1: a batch may have no token that counts, or no label.
double total_of(const std::vector<Batch>& micro, int64_t (Batch::*count)() const) {
  int64_t total = 0;
  for (const Batch& batch : micro) total += (batch.*count)();
  return static_cast<double>(std::max<int64_t>(total, 1));
}

std::vector<Gates> leaves_of(const std::vector<Gates>& gates, const ModelConfig& config) {
  std::vector<Gates> leaves;
  for (const Gates& g : gates) {
    leaves.push_back(
        g.map([](const Tensor& t) { return t.detach().set_requires_grad(t.requires_grad()); }));
    leaves.back().seal(config);
  }
  return leaves;
}

// The gradients that arrived at the leaves, for the gates that they were made of.
void add_gradients(const Gates& gates, const Gates& leaves, torch::autograd::variable_list& roots,
                   torch::autograd::variable_list& root_grads) {
  std::vector<Tensor> from = gates.tensors(), leaf = leaves.tensors();
  for (size_t i = 0; i < from.size(); ++i) {
    if (!from[i].requires_grad() || !leaf[i].grad().defined()) continue;
    roots.push_back(from[i]);
    root_grads.push_back(leaf[i].grad());
  }
}

}  // namespace

int64_t training_steps(const TrainingSpec& spec, int64_t examples) {
  if (spec.steps > 0) return spec.steps;
  int64_t per_epoch = examples / std::min<int64_t>(spec.batch_size, examples);
  return static_cast<int64_t>(std::llround(spec.epochs * static_cast<double>(per_epoch)));
}

Trainer::Trainer(Model& model, const Training& training, const State* resume)
    : model_(model),
      training_(training),
      methods_(methods_of(training)),
      needs_(needs_of(methods_)),
      pool_(*training.train, needs_.teachers ? training.unlabelled : nullptr),
      backend_(model, training.spec.dropout),
      sampler_(pool_, training.spec.batch_size, training.seed, training.phase,
               training.sampler_window),
      total_(training_steps(training.spec, pool_.size())),
      micro_batch_size_(training.spec.micro_batch_size),
      on_cuda_(model.device().is_cuda()),
      // Where units leave, the loss rises by design.
      loss_watch_(training.pruner == nullptr ? training.spec.divergence_factor : 0,
                  warmup_steps(training.spec, total_)),
      batches_([this](int64_t step) { return micro_batches(sampler_.rows(step), step); }) {
  backend_.set_precision(training_.spec.precision);
  backend_.set_checkpointing(training_.spec.gradient_checkpointing);
  for (const Teacher* teacher : training_.teachers) {
    teacher_backends_.emplace_back(teacher->model);
    teacher_backends_.back().set_precision(training_.spec.precision);
  }
  throw_if_error(
      needs_.teachers && training_.teachers.empty()
          ? absl::FailedPreconditionError("a distiller needs a teacher, and this phase has none")
          : absl::OkStatus());
  throw_if_error(
      training_.spec.patience > 0 && (training_.pruner != nullptr || training_.select == nullptr)
          ? absl::FailedPreconditionError(absl::StrCat(
                "phase ", training_.phase, " has a patience of ", training_.spec.patience,
                ", but no states to compare: it needs a select split and no pruner"))
          : absl::OkStatus());
  if (resume != nullptr) load(*resume);
  model_.set_requires_grad(true);  // before calibration; the optimiser narrows it
  for (Method* method : methods_) method->prepare(*this);
  optimiser_ = make_optimiser(training_.spec, parameter_groups(model_, training_.spec, methods_));
  average_ = std::make_unique<WeightAverage>(model_, training_.spec.ema);
  if (resume != nullptr) {
    optimiser_->load(*resume);
    average_->load(*resume);
  }
}

Trainer::~Trainer() { model_.set_requires_grad(false); }

uint64_t Trainer::seed(const std::string& purpose, int64_t step) const {
  return derive_seed(training_.seed, training_.phase, step, 0, purpose);
}

std::vector<Batch> Trainer::micro_batches(const std::vector<int64_t>& rows, int64_t draw) const {
  size_t micro = needs_.whole_batch ? rows.size() : static_cast<size_t>(micro_batch_size_);
  std::vector<Batch> out;
  for (size_t begin = 0; begin < rows.size(); begin += micro) {
    size_t count = std::min(micro, rows.size() - begin);
    out.push_back(make_drawn_batch(pool_, std::span(rows).subspan(begin, count), *training_.task,
                                   training_.reading, seed("redraw", draw)));
  }
  weigh_sentences(out);
  if (!training_.class_weights.empty())
    weigh_classes(training_.task->objective(), training_.class_weights, out);
  if (on_cuda_)
    for (Batch& batch : out) batch.pin();
  return out;
}

std::vector<Batch> Trainer::sample(int64_t draw) const {
  if (training_.tick) training_.tick();
  Sampler sampler(pool_, training_.spec.batch_size, training_.seed, training_.phase + ".sample");
  return micro_batches(sampler.rows(draw), draw);
}

void Trainer::rewritten(const std::vector<Tensor>& tensors) {
  if (average_ != nullptr) average_->restart(tensors);  // before the first step there is none
}

void Trainer::task_gradients(const Gates& gates, int64_t draw, const Look& look) {
  if (training_.tick) training_.tick();
  Sampler sampler(*training_.train, training_.spec.batch_size, training_.seed,
                  training_.phase + ".calibrate");
  const std::vector<int64_t> rows = sampler.rows(draw);
  const bool training = backend_.training();
  backend_.set_training(false);
  const std::vector<Tensor> open = gates.tensors();
  std::vector<Tensor> before;  // an earlier draw's gradients
  for (const Tensor& t : open) before.push_back(t.grad().defined() ? t.grad().clone() : Tensor());
  const auto forget = [&] {
    model_.for_each([](const std::string&, Tensor& tensor) { tensor.mutable_grad() = Tensor(); });
  };
  auto pass = [&] {
    backend_.weights_moved();
    forget();  // what a pass that ran out of memory left
    for (size_t i = 0; i < open.size(); ++i)
      open[i].mutable_grad() = before[i].defined() ? before[i].clone() : Tensor();
    const std::vector<Batch> micro = micro_batches(rows, draw);
    const double units = total_of(micro, &Batch::units);
    for (const Batch& batch : micro) {
      Trace trace = walk(backend_, batch, gates);
      double share = static_cast<double>(batch.units()) / units;
      (task_loss(training_.task->objective(), trace, batch) * share).backward();
      merge_word_gradient(model_);
    }
  };
  while (!fits(pass)) {
  }
  backend_.set_training(training);
  if (look) look(model_);
  forget();
}

Tensor Trainer::run_micro(const Step& step, const Batch& batch, int64_t micro,
                          const std::vector<Gates>& leaves, const Share& share) {
  Tensor sum = at::zeros({}, at::TensorOptions(model_.device()).dtype(at::kDouble));
  double task_weight = 1;
  for (const Method* method : methods_) task_weight *= method->task_weight(step);
  // All parts are weighed by their share of the answers below; 1 where all answers have labels.
  const double labels = share.answers > 0 ? share.labelled / share.answers : 1;
  TeacherTraces teachers(teacher_backends_, batch, needs_.teacher);
  for (const Gates& gates : leaves) {
    at::manual_seed(derive_seed(training_.seed, training_.phase, step.index, micro, "dropout"));
    WalkOptions options;
    options.record = needs_.student;
    options.head_dropout = backend_.head_dropout();
    Trace student = walk(backend_, batch, gates, options);
    Pass pass{step, batch, gates, student, teachers};
    Tensor loss;
    auto add = [&](const Tensor& part) { loss = loss.defined() ? loss + part : part; };
    if (task_weight > 0)
      add(task_loss(training_.task->objective(), student, batch) * (task_weight * labels));
    for (Method* method : methods_) {
      if (Tensor part = method->loss(pass); part.defined()) add(part);
    }
    TORCH_CHECK(loss.defined(), "phase ", training_.phase, " has no loss");
    loss = loss * (share.answers / static_cast<double>(leaves.size()));
    loss.backward();
    merge_word_gradient(model_);
    sum += loss.detach();
  }
  return sum;
}

bool Trainer::fits(const std::function<void()>& pass) {
  try {
    pass();
    return true;
  } catch (...) {
    absl::Status status = status_of_current_exception("training");
    if (!absl::IsResourceExhausted(status)) throw;
    halve_micro_batch(status);
    return false;
  }
}

void Trainer::halve_micro_batch(const absl::Status& status) {
  const int64_t batch = sampler_.batch_size();
  const int64_t now = needs_.whole_batch ? batch : std::min(micro_batch_size_, batch);
  if (needs_.whole_batch || now <= 1) {
    throw StatusError(absl::ResourceExhaustedError(absl::StrCat(
        status.message(), "; at step ", step_ + 1, " of phase ", training_.phase,
        " with micro-batches of ", now,
        needs_.whole_batch ? ", which a method of this phase cannot split; a smaller batch_size"
                           : "; a smaller max_length",
        " or a worker with more memory would help")));
  }
  batches_.forget();  // the next step's have the old size
  micro_batch_size_ = now / 2;
}

void Trainer::check_loss(double loss) {
  if (!std::isfinite(loss)) {
    throw StatusError(absl::OutOfRangeError(absl::StrCat(
        "diverged: the loss is ", loss, " at step ", step_ + 1, " of phase ", training_.phase,
        "; a lower learning_rate (now ", training_.spec.learning_rate, ") may help")));
  }
  if (!loss_watch_.see(step_, loss)) return;
  throw StatusError(absl::OutOfRangeError(absl::StrCat(
      "diverged: the loss is ", loss, " at step ", step_ + 1, " of phase ", training_.phase,
      ", and for ", LossWatch::kPatience, " steps its running mean (now ", loss_watch_.level(),
      ") has been more than ", training_.spec.divergence_factor, " times what it was at step ",
      loss_watch_.lowest_step() + 1, " (", loss_watch_.lowest(), "); a lower learning_rate (now ",
      training_.spec.learning_rate,
      "), a longer warmup or a smaller clip may help, and divergence_factor 0 turns this check "
      "off")));
}

void Trainer::step() {
  std::vector<Batch> micro = batches_.take(step_);
  if (step_ + 1 < total_) batches_.start(step_ + 1);
  const double factor = learning_rate_factor(training_.spec, step_, total_);
  Step step{step_, total_, micro, training_.spec.learning_rate * factor};
  backend_.set_training(true);
  optimiser_->zero_grad();
  peak_.before(micro);
  const auto remake = [&] {
    micro = batches_.take(step_);
    step.micro = micro;
  };
  const int64_t size = micro_batch_size_;
  for (Method* method : methods_) method->before_step(*this, step);
  if (micro_batch_size_ != size) remake();  // one that walked has found that less fits

  // Gates become leaves, so that micro-batches accumulate into them and the pruner's own graph is
  // walked backward once.
  std::vector<Gates> gates, leaves;
  if (training_.pruner != nullptr) gates = training_.pruner->gates(step, Mode::kTrain);
  if (gates.empty()) gates.emplace_back();
  Tensor sum;  // of the losses
  auto pass = [&] {
    backend_.weights_moved();
    leaves = leaves_of(gates, model_.config);
    sum = Tensor();
    const double answers = total_of(micro, &Batch::answers), units = total_of(micro, &Batch::units);
    for (size_t i = 0; i < micro.size(); ++i) {
      const Share share = {static_cast<double>(micro[i].answers()) / answers,
                           static_cast<double>(micro[i].units()) / units};
      Tensor part = run_micro(step, micro[i], static_cast<int64_t>(i), leaves, share);
      sum = sum.defined() ? sum + part : part;
    }
  };
  while (!fits(pass)) {
    optimiser_->zero_grad();
    remake();
  }
  // Gates and penalties may share a graph, which can be walked once.
  torch::autograd::variable_list roots, root_grads;
  for (size_t variant = 0; variant < gates.size(); ++variant) {
    add_gradients(gates[variant], leaves[variant], roots, root_grads);
  }
  for (Method* method : methods_) {
    if (Tensor penalty = method->penalty(step); penalty.defined()) {
      sum = sum + penalty.detach();
      roots.push_back(penalty);
      root_grads.push_back(at::ones_like(penalty));
    }
  }
  if (!roots.empty()) torch::autograd::backward(roots, root_grads);
  const double loss = sum.item<double>();  // the step's one wait for a device
  check_loss(loss);
  for (Method* method : methods_) method->after_backward(*this, step);
  optimiser_->clip(training_.spec.clip);
  optimiser_->step(factor);
  for (Method* method : methods_) method->after_step(*this, step);
  average_->see(step_);

  ++step_;
  metrics_["loss"] = loss;
  metrics_["learning_rate"] = training_.spec.learning_rate * factor;
  metrics_["examples"] = static_cast<double>(step_ * sampler_.batch_size());
  metrics_["micro_batch_size"] = static_cast<double>(micro.front().rows());
  if (evaluated()) select_best();
}

Gates Trainer::gates_at(int64_t step) const {
  if (training_.pruner == nullptr) return {};
  Gates gates = training_.pruner->gates(Step{step, total_, {}}, Mode::kEval).front();
  gates = gates.map([](const Tensor& t) { return t.detach(); });
  gates.seal(model_.config);
  return gates;
}

Gates Trainer::gates_to_fold() {
  Gates gates = final_gates();
  if (training_.pruner == nullptr) return gates;
  gates = training_.pruner->settle(*this, std::move(gates));
  gates.seal(model_.config);
  return gates;
}

void Trainer::select_best() {
  const Model candidate = average_->of(model_);
  double metric = first_metric(candidate, gates_at(step_), *training_.select, *training_.task);
  metrics_.erase("select_metric");
  if (std::isfinite(metric)) metrics_["select_metric"] = metric;  // JSON knows no other numbers
  // States of different sizes are not compared.
  if (training_.pruner == nullptr) return best_.see(metric, candidate);
  if (training_.pruner->eligible()) best_.see(metric, candidate, save_methods());
}

void Trainer::finish() {
  optimiser_->zero_grad();
  torch::NoGradGuard no_grad;
  const std::map<std::string, Tensor> left =
      best_.empty() ? average_->of(model_).tensors() : best_.tensors();
  model_.for_each([&](const std::string& name, Tensor& tensor) { tensor.copy_(left.at(name)); });
  if (!best_.empty()) metrics_["select_metric"] = best_.metric();
  if (!best_.empty() && training_.pruner != nullptr) load_methods(best_.methods());
  for (Method* method : methods_) method->finish(*this);
}

void Trainer::folded(const FoldMap& map) {
  for (Method* method : methods_) method->folded(*this, map);
}

}  // namespace espalier
