#include "core/distill/reptile.h"

#include <torch/csrc/autograd/autograd.h>

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"
#include "core/distill/layer_map.h"
#include "core/distill/soft_labels.h"
#include "core/model/task_loss.h"
#include "core/model/walk.h"

namespace espalier {
namespace {

constexpr char kLayers[] = "layers.";
constexpr char kWeightPrefix[] = "weight.", kMeanPrefix[] = "mean.", kSizePrefix[] = "size.",
               kCountPrefix[] = "count.";

// The student's name for this tensor of the teacher, or none.
std::string name_in_student(const std::string& name, const std::vector<int>& movers) {
  if (!name.starts_with(kLayers)) return name;
  const size_t begin = std::string(kLayers).size(), end = name.find('.', begin);
  const int mover = movers.at(std::stoul(name.substr(begin, end - begin)));
  return mover < 0 ? "" : absl::StrCat(kLayers, mover, name.substr(end));
}

// Biases and norms are not decayed.
bool is_decayed(const std::string& name) {
  return !name.ends_with(".bias") && name.find("norm") == std::string::npos;
}

// What brings their norm together down to `most`, [] ; 0: 1.
Tensor clip_scale(std::vector<Tensor> tensors, double most) {
  if (most == 0) return at::ones({}, tensors.front().options().layout(at::kStrided));
  for (Tensor& tensor : tensors) {
    if (tensor.is_sparse()) tensor = tensor._values();
  }
  return (most / (at::stack(at::_foreach_norm(tensors)).norm() + 1e-6)).clamp_max(1.0);
}

void put(Tensor& to, const Tensor& from) {
  if (to.defined()) {
    to.copy_(from);
  } else {
    to = from.detach().clone();
  }
}

std::string sizes_text(const Model& model) {
  return absl::StrCat(model.layers.size(), " layers of hidden width ", model.config.hidden);
}

}  // namespace

std::vector<int> layer_movers(const std::string& layers, int student, int teacher) {
  std::vector<int> out(static_cast<size_t>(teacher), -1);
  if (layers == "skip" && student <= teacher) {
    const std::vector<int> moved = uniform_layers(student, teacher);
    for (int i = 0; i < student; ++i) out[static_cast<size_t>(moved[static_cast<size_t>(i)])] = i;
    return out;
  }
  if (layers == "skip") return uniform_layers(teacher, student);
  for (int i = 0; i < teacher; ++i) {
    int mover = i;  // first
    if (layers == "last") mover = i - (teacher - student);
    if (layers == "both") mover = i * student / teacher;
    if (mover >= 0 && mover < student) out[static_cast<size_t>(i)] = mover;
  }
  return out;
}

Tensor after_first_step(const Tensor& weight, const Tensor& grad, const Tensor& scale,
                        const AdamWStep& step) {
  torch::NoGradGuard no_grad;
  const auto direction = [&](const Tensor& values) {
    const Tensor g = values * scale;
    return g / (g.abs() + AdamWStep::kEps);
  };
  Tensor out = weight.detach() * (1 - step.rate * step.weight_decay);
  if (grad.is_sparse()) {
    return out.index_add_(0, grad._indices().select(0, 0), direction(grad._values()), -step.rate);
  }
  return out.sub_(direction(grad), step.rate);
}

void Reptile::Options::read(OptionReader& reader) {
  reader.number("alpha", alpha, 0, 1, "Weight of the soft-label loss; the labels have the rest.");
  reader.number("temperature", temperature, 0.1, 100, "Softens both distributions; 1 leaves them.");
  reader.number("teacher_rate", teacher_rate, 0, 100,
                "The teacher's learning rate, as a multiple of the student's.");
  reader.number("weight_decay", weight_decay, 0, 1,
                "Weight decay of the teacher and of the student's step ahead.");
  reader.number("clip", clip, 0, 1000, "Largest norm of the gradients of both; 0: no clipping.");
  reader.string("layers", layers, {"skip", "first", "last", "both"},
                "Which teacher layers the student's move: evenly spread, the first, the last, or "
                "all of them by runs.");
}

void Reptile::prepare(Session& session) {
  objective_ = session.task().objective();
  check_same_answers(session, "reptile");
  learnt_at_ = -1;
  pair(session);
  backend_ = std::make_unique<TrainBackend>(teacher_);
}

void Reptile::pair(Session& session) {
  const Model &student = session.model(), &given = session.teacher(0).model;
  const size_t loaded = learners_.size();
  const bool fits = student.config.hidden == given.config.hidden;
  const auto movers = layer_movers(options_.layers, static_cast<int>(student.layers.size()),
                                   static_cast<int>(given.layers.size()));
  teacher_ = given;
  student_ = student.tensors();
  for (auto& [name, learner] : learners_) learner.student.clear();
  int64_t in_layers = 0;
  size_t known = 0;  // of the loaded ones, that this teacher has
  teacher_.for_each([&](const std::string& name, Tensor& tensor) {
    const auto found = student_.find(name_in_student(name, movers));
    const bool learns = fits && found != student_.end() && !name.ends_with(".mask") &&
                        found->second.sizes() == tensor.sizes();
    const bool has = learners_.contains(name);
    if (!learns && !has) return;
    Learner& learner = learners_[name];
    if (!has) {
      learner.weight = tensor.detach().clone(at::MemoryFormat::Contiguous);
      learner.mean = at::zeros_like(learner.weight);
      learner.size = at::zeros_like(learner.weight);
      learner.count = at::zeros({}, at::kFloat);
    } else if (learner.weight.sizes() == tensor.sizes()) {
      ++known;
    }
    for (Tensor* own : {&learner.weight, &learner.mean, &learner.size, &learner.count})
      *own = own->to(tensor.device());
    if (learns) learner.student = found->first;
    if (learns && name.starts_with(kLayers)) ++in_layers;
    tensor = learner.weight;
  });
  learns_ = in_layers > 0;
  if (loaded == 0 && !learns_) {
    throw StatusError(absl::InvalidArgumentError(absl::StrCat(
        "reptile moves the teacher's layers towards the student's, tensors of one shape, and finds "
        "none: the student has ",
        sizes_text(student), ", the teacher \"", session.teacher(0).name, "\" ", sizes_text(given),
        "; a teacher of hidden width ", student.config.hidden,
        ", or the distiller soft_labels, would work")));
  }
  if (known != loaded) {
    throw StatusError(absl::FailedPreconditionError(absl::StrCat(
        "reptile: the state holds ", loaded, " tensors of a teacher that learns, of which ", known,
        " fit the teacher \"", session.teacher(0).name, "\" (", sizes_text(given),
        "); the teacher that the job began with would work")));
  }
}

Tensor Reptile::answer_loss(const Pass& pass) {
  Trace trace;
  {
    torch::NoGradGuard no_grad;
    backend_->weights_moved();
    trace = walk(*backend_, pass.batch);
  }
  return soft_answer_loss(objective_, pass.student, trace, pass.batch, options_.temperature);
}

Tensor Reptile::loss(const Pass& pass) {
  if (learns_ && pass.step.index != learnt_at_ && pass.student.logits.requires_grad()) {
    learn(pass);
    learnt_at_ = pass.step.index;
  }
  return answer_loss(pass) * options_.alpha;
}

void Reptile::learn(const Pass& pass) {
  std::vector<std::string> names;
  torch::autograd::variable_list into;
  for (const auto& [name, tensor] : student_) {
    if (!tensor.requires_grad()) continue;
    names.push_back(name);
    into.push_back(tensor);
  }
  if (into.empty()) return;  // gates alone learn
  const Tensor both = task_loss(objective_, pass.student, pass.batch) * (1 - options_.alpha) +
                      answer_loss(pass) * options_.alpha;
  // The trainer goes back through the same graph for step 3.
  torch::autograd::variable_list found =
      torch::autograd::grad({both}, into, /*grad_outputs=*/{}, /*retain_graph=*/true,
                            /*create_graph=*/false, /*allow_unused=*/true);
  torch::NoGradGuard no_grad;
  std::map<std::string, Tensor> grads;
  std::vector<Tensor> all;
  for (size_t i = 0; i < names.size(); ++i) {
    if (!found[i].defined()) continue;
    grads[names[i]] = found[i].is_sparse() ? found[i].coalesce() : found[i];
    all.push_back(grads[names[i]]);
  }
  if (all.empty()) return;
  const Tensor scale = clip_scale(all, options_.clip);

  std::map<std::string, Tensor> differences;
  for (const auto& [name, learner] : learners_) {
    if (learner.student.empty()) continue;
    Tensor ahead = student_.at(learner.student).detach();
    // Like an optimiser, which leaves alone what has no gradient.
    if (const auto grad = grads.find(learner.student); grad != grads.end()) {
      const double decay = is_decayed(name) ? options_.weight_decay : 0;
      ahead = after_first_step(ahead, grad->second, scale, {pass.step.learning_rate, decay});
    }
    differences[name] = (learner.weight - ahead).contiguous();
  }
  step_teacher(differences, pass.step.learning_rate * options_.teacher_rate);
}

void Reptile::step_teacher(const std::map<std::string, Tensor>& differences, double rate) {
  std::vector<Tensor> all;
  for (const auto& [name, difference] : differences) all.push_back(difference);
  at::_foreach_mul_(all, clip_scale(all, options_.clip));
  for (const bool decayed : {true, false}) {
    std::vector<Tensor> weights, grads, means, sizes, counts;
    for (const auto& [name, difference] : differences) {
      if (is_decayed(name) != decayed) continue;
      const Learner& learner = learners_.at(name);
      weights.push_back(learner.weight);
      grads.push_back(difference);
      means.push_back(learner.mean);
      sizes.push_back(learner.size);
      counts.push_back(learner.count);
    }
    if (weights.empty()) continue;
    at::_foreach_add_(counts, 1);
    at::_fused_adamw_(weights, grads, means, sizes, /*max_exp_avg_sqs=*/{}, counts, rate,
                      AdamWStep::kMean, AdamWStep::kSize, decayed ? options_.weight_decay : 0,
                      AdamWStep::kEps, /*amsgrad=*/false, /*maximize=*/false);
  }
}

Needs Reptile::needs() const {
  Needs needs;
  needs.teachers = needs.whole_batch = true;
  needs.answers = options_.alpha > 0;
  return needs;
}

void Reptile::save(State& state) const {
  for (const auto& [name, learner] : learners_) {
    state.tensors[kWeightPrefix + name] = learner.weight;
    state.tensors[kMeanPrefix + name] = learner.mean;
    state.tensors[kSizePrefix + name] = learner.size;
    state.tensors[kCountPrefix + name] = learner.count;
  }
}

void Reptile::load(const State& state) {
  torch::NoGradGuard no_grad;
  for (const auto& [key, tensor] : state.tensors) {
    if (!key.starts_with(kWeightPrefix)) continue;
    const std::string name = key.substr(std::string(kWeightPrefix).size());
    Learner& learner = learners_[name];
    put(learner.weight, tensor);
    put(learner.mean, state.tensors.at(kMeanPrefix + name));
    put(learner.size, state.tensors.at(kSizePrefix + name));
    put(learner.count, state.tensors.at(kCountPrefix + name));
  }
}

}  // namespace espalier
