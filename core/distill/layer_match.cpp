#include "core/distill/layer_match.h"

#include <limits>

#include "core/base/random.h"
#include "core/distill/layer_map.h"

namespace espalier {
namespace {

constexpr int kNone = -1;
constexpr double kFar = std::numeric_limits<double>::infinity();

// A row of distances on the host.
using Distances = const double*;

// The nearest of the layers below `end` that exist. A distance that is no number is as good as any:
// the loss will show it.
int nearest(Distances distances, const std::vector<bool>& exists, int end) {
  int best = kNone;
  for (int i = 0; i < end; ++i) {
    if (exists[i] && (best == kNone || distances[i] < distances[best])) best = i;
  }
  return best;
}

// [J,L] double, on the host.
Tensor on_host(const Tensor& distances) {
  return distances.detach().to(at::kCPU, at::kDouble).contiguous();
}

}  // namespace

std::vector<bool> existing_layers(const std::vector<bool>& present, const Gates& gates) {
  if (gates.attention_on.empty()) return present;
  std::vector<bool> out(present.size());
  for (size_t i = 0; i < out.size(); ++i) out[i] = gates.attention_on[i] || gates.ffn_on[i];
  return out;
}

Tensor layer_distances(const std::vector<Tensor>& student, const std::vector<Tensor>& teacher) {
  torch::NoGradGuard no_grad;
  std::vector<Tensor> out;
  for (const Tensor& target : teacher) {
    for (const Tensor& state : student) {
      out.push_back(state.defined() ? at::mse_loss(state, target)
                                    : at::full({}, kFar, target.options()));
    }
  }
  return at::stack(out).view({static_cast<int64_t>(teacher.size()), -1});
}

std::vector<int> match_in_order(const Tensor& distances, const std::vector<bool>& exists) {
  const Tensor host = on_host(distances);
  std::vector<int> out(static_cast<size_t>(host.size(0)), kNone);
  int last = kNone, end = static_cast<int>(exists.size());
  for (int64_t j = host.size(0) - 1; j >= 0; --j) {
    const int found = nearest(host.const_data_ptr<double>() + j * host.size(1), exists, end);
    if (found != kNone) last = end = found;
    out[static_cast<size_t>(j)] = last;
  }
  return out;
}

std::vector<int> match_freely(const Tensor& distances, const std::vector<bool>& exists) {
  const Tensor host = on_host(distances);
  const int end = static_cast<int>(exists.size());
  std::vector<int> out;
  for (int64_t j = 0; j < host.size(0); ++j)
    out.push_back(nearest(host.const_data_ptr<double>() + j * host.size(1), exists, end));
  return out;
}

std::vector<int> match_by_place(const std::vector<int>& chosen, int teacher,
                                const std::vector<bool>& exists) {
  const std::vector<int> place = uniform_layers(teacher, static_cast<int>(exists.size()));
  std::vector<int> out;
  for (int j : chosen) out.push_back(exists[place[j]] ? place[j] : kNone);
  return out;
}

std::vector<int> draw_layers(int layers, uint64_t seed) {
  Random random(seed);
  const std::vector<int> ends = spaced_layers(layers);
  std::vector<int> out = {ends.front()};
  for (size_t i = 1; i < ends.size(); ++i) {
    const auto window = static_cast<uint64_t>(ends[i] - ends[i - 1]);
    out.push_back(ends[i] - static_cast<int>(random.below(window)));
  }
  return out;
}

void LayerMatch::Options::read(OptionReader& reader) {
  reader.number("weight", weight, 0, 10000, "Weight of the distance of matched layers.");
  reader.string("match", match, {"ordered", "free", "fixed", "random"},
                "Which student layer a teacher layer teaches.");
  reader.number("task_weight", task_weight, 0, 100, "Weight of the loss on the true labels.");
  read_projection_learning_rate(reader, projection_learning_rate);
}

LayerMatch::LayerMatch(const Options& options)
    : options_(options),
      projection_("layer_match", Projection::Where::kAlways, options.projection_learning_rate) {}

void LayerMatch::prepare(Session& session) {
  present_.clear();
  for (const Layer& layer : session.model().layers)
    present_.push_back(layer.has_attention() || layer.has_ffn());
  teacher_layers_ = static_cast<int>(session.teacher(0).model.layers.size());
  chosen_ = spaced_layers(teacher_layers_);
  projection_.prepare(session);
}

void LayerMatch::before_step(Session& session, const Step& step) {
  if (options_.match == "random")
    chosen_ = draw_layers(teacher_layers_, session.seed("layer_match.teachers", step.index));
}

std::vector<int> LayerMatch::matched(const std::vector<Tensor>& student,
                                     const std::vector<Tensor>& teacher,
                                     const std::vector<bool>& exists) const {
  if (options_.match == "fixed") return match_by_place(chosen_, teacher_layers_, exists);
  const Tensor distances = layer_distances(student, teacher);
  return options_.match == "free" ? match_freely(distances, exists)
                                  : match_in_order(distances, exists);
}

Tensor LayerMatch::loss(const Pass& pass) {
  const Trace& taught = pass.teachers.trace(0);
  const std::vector<bool> exists = existing_layers(present_, pass.gates);
  std::vector<Tensor> student(exists.size()), teacher;
  for (size_t i = 0; i < exists.size(); ++i) {
    if (exists[i]) student[i] = projection_.forward(pass.student.hidden[i]);
  }
  for (int j : chosen_) teacher.push_back(taught.hidden[j]);
  const std::vector<int> match = matched(student, teacher, exists);
  std::vector<Tensor> losses;
  for (size_t j = 0; j < match.size(); ++j) {
    if (match[j] != kNone) losses.push_back(at::mse_loss(student[match[j]], teacher[j]));
  }
  // Without any layer there is nothing to compare: 0, of which every gradient is 0.
  if (losses.empty()) return projection_.forward(pass.student.embedding).sum() * 0;
  return at::stack(losses).sum() * options_.weight;
}

Needs LayerMatch::needs() const {
  Needs needs;
  needs.teachers = needs.student.hidden = needs.teacher.hidden = true;
  needs.whole_batch = true;
  return needs;
}

}  // namespace espalier
