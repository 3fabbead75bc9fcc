#include "core/distill/projection.h"

#include <utility>

namespace espalier {
namespace {

constexpr double kSpread = 0.02;
constexpr char kWeightName[] = "projection.weight", kBiasName[] = "projection.bias";

}  // namespace

void read_projection_learning_rate(OptionReader& reader, double& learning_rate) {
  reader.number("projection_learning_rate", learning_rate, 0, 1,
                "Learning rate of the projection into the teacher's hidden width; the papers take "
                "the model's.");
}

Linear fresh_projection(int64_t outputs, int64_t inputs, uint64_t seed) {
  Linear out;
  if (outputs == inputs) {
    out.weight = at::eye(outputs);
  } else {
    auto generator = at::detail::createCPUGenerator(seed);
    out.weight = at::empty({outputs, inputs}).normal_(0.0, kSpread, generator);
  }
  out.bias = at::zeros({outputs});
  return out;
}

Projection::Projection(std::string owner, Where where, double learning_rate)
    : owner_(std::move(owner)), where_(where), learning_rate_(learning_rate) {}

void Projection::prepare(Session& session) {
  const int64_t inputs = session.model().config.hidden;
  outputs_ = session.teacher(0).model.config.hidden;
  const bool fits =
      linear_.defined() && linear_.inputs() == inputs && linear_.outputs() == outputs_;
  if (!fits) {
    linear_ = Linear();
    if (where_ == Where::kAlways || inputs != outputs_)
      linear_ = fresh_projection(outputs_, inputs, session.seed(owner_ + ".projection", 0));
  }
  if (!linear_.defined()) return;
  for (Tensor* tensor : {&linear_.weight, &linear_.bias})
    *tensor = tensor->detach().to(session.model().device()).set_requires_grad(true);
}

Tensor Projection::forward(const Tensor& states) const {
  return linear_.defined() ? linear_.forward(states) : states;
}

std::vector<ParamGroup> Projection::parameters() const {
  if (!linear_.defined()) return {};
  ParamGroup group;
  group.name = owner_ + ".projection";
  group.parameters = {linear_.weight, linear_.bias};
  group.learning_rate = learning_rate_;
  return {group};
}

void Projection::folded(const FoldMap& map) {
  if (!map.hidden.defined()) return;
  torch::NoGradGuard no_grad;
  // States that were compared as they are keep their places in the teacher's space.
  if (!linear_.defined()) linear_ = fresh_projection(outputs_, outputs_, 0);
  linear_.keep_inputs(map.hidden.to(linear_.weight.device()));
}

void Projection::save(State& state) const {
  if (!linear_.defined()) return;
  state.tensors[kWeightName] = linear_.weight.detach();
  state.tensors[kBiasName] = linear_.bias.detach();
}

void Projection::load(const State& state) {
  const auto take = [&](const char* name) {
    const auto found = state.tensors.find(name);
    return found == state.tensors.end() ? Tensor() : found->second.detach().clone();
  };
  linear_ = Linear();
  linear_.weight = take(kWeightName);
  linear_.bias = take(kBiasName);
}

}  // namespace espalier
