#include "core/prune/scored_pruner.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"
#include "core/method/schedule.h"

namespace espalier {
namespace {
// Stands for the value of a unit that is closed: below any score, so that it stays closed.
constexpr double kGone = -std::numeric_limits<double>::infinity();
}  // namespace

void RampOptions::read(OptionReader& reader) {
  reader.number("ramp_begin", begin, 0, 1, "Share of the steps before the first cut.");
  reader.number("ramp_end", end, 0, 1, "Share of the steps at which the target is reached.");
  reader.integer("interval", interval, 1, 100000, "Steps between cuts.");
}

ScoredPruner::ScoredPruner(std::string name, std::unique_ptr<Score> score, Scope scope,
                           RampOptions ramp)
    : name_(std::move(name)), score_(std::move(score)), scope_(scope), ramp_(ramp) {}

std::vector<Unit> ScoredPruner::units_of(const Model& model) const {
  std::vector<Unit> units;
  if (scope_ == Scope::kWeight) {
    const_cast<Model&>(model).for_each_linear([&](const std::string& name, Linear& linear) {
      if (!linear.factored())
        units.push_back({Unit::Kind::kWeight, name, 0, linear.weight.numel(), 1});
    });
    return units;
  }
  double hidden = model.config.hidden;
  for (int i = 0; i < static_cast<int>(model.layers.size()); ++i) {
    const LayerShape& shape = model.config.layers[i];
    if (int heads = model.config.head_count(i); heads > 0) {
      units.push_back({Unit::Kind::kHead, "", i, heads, shape.head_dim * (4 * hidden + 3)});
    }
    if (shape.neurons > 0)
      units.push_back({Unit::Kind::kNeuron, "", i, shape.neurons, 2 * hidden + 1});
  }
  return units;
}

void ScoredPruner::prepare(Session& session) {
  const Model& model = session.model();
  units_ = units_of(model);
  cost_ = std::make_unique<Cost>(model.config);
  dense_parameters_ = cost_->dense_parameters();
  if (gates_.empty()) {  // not when a checkpoint was loaded
    auto options = model.position.options().requires_grad(false);
    auto layers = static_cast<int64_t>(model.layers.size());
    if (scope_ == Scope::kWeight) {
      const_cast<Model&>(model).for_each_linear([&](const std::string& name, Linear& linear) {
        if (!linear.factored()) gates_.weight[name] = at::ones_like(linear.weight.detach());
      });
    } else {
      int64_t heads = 0, neurons = 0;
      for (const LayerShape& shape : model.config.layers) {
        heads = std::max<int64_t>(heads, static_cast<int64_t>(shape.kept_heads.size()));
        neurons = std::max<int64_t>(neurons, shape.neurons);
      }
      if (heads > 0) gates_.head = at::ones({layers, heads}, options);
      if (neurons > 0) gates_.neuron = at::ones({layers, neurons}, options);
    }
    for (int64_t round = 0; round < score_->rounds(); ++round) {
      live_ = gates_.map([](const Tensor& t) { return t.clone().set_requires_grad(true); });
      live_.seal(model.config);
      session.task_gradients(live_, round);
      observe(session);
    }
  }
}

Tensor ScoredPruner::mask_of(const Unit& unit) {
  switch (unit.kind) {
    case Unit::Kind::kHead:
      return gates_.head[unit.layer].narrow(0, 0, unit.count);
    case Unit::Kind::kNeuron:
      return gates_.neuron[unit.layer].narrow(0, 0, unit.count);
    case Unit::Kind::kWeight:
      break;
  }
  return gates_.weight.at(unit.name);
}

void ScoredPruner::observe(Session& session) {
  std::map<std::string, Linear*> linears;
  session.model().for_each_linear([&](const std::string& name, Linear& l) { linears[name] = &l; });
  auto row = [](const Tensor& gate, const Unit& unit) {
    return gate.defined() && gate.grad().defined()
               ? gate.grad()[unit.layer].narrow(0, 0, unit.count)
               : Tensor();
  };
  for (const Unit& unit : units_) {
    Tensor weight, weight_grad, gate_grad;
    if (unit.kind == Unit::Kind::kWeight) {
      weight = linears.at(unit.name)->weight;
      weight_grad = weight.grad();
      auto it = live_.weight.find(unit.name);
      if (it != live_.weight.end() && it->second.requires_grad()) gate_grad = it->second.grad();
    } else {
      gate_grad = row(unit.kind == Unit::Kind::kHead ? live_.head : live_.neuron, unit);
    }
    if (score_->reads_gate_gradients() && !gate_grad.defined()) continue;
    score_->see(unit, weight, weight_grad, gate_grad);
  }
}

std::vector<Gates> ScoredPruner::gates(const Step&, Mode mode) {
  bool wants_grad = mode == Mode::kTrain && score_->reads_gate_gradients();
  live_ = gates_.map(
      [&](const Tensor& t) { return wants_grad ? t.clone().set_requires_grad(true) : t; });
  return {live_};
}

void ScoredPruner::after_backward(Session& session, const Step&) { observe(session); }

void ScoredPruner::after_step(Session& session, const Step& step) {
  double sparsity =
      cubic_sparsity(step.index + 1, step.total, ramp_.begin, ramp_.end, aim_.sparsity);
  bool due = (step.index + 1) % ramp_.interval == 0 || step.index + 1 == step.total;
  if (due && sparsity > reached_) cut(session, sparsity);
}

void ScoredPruner::finish(Session& session) {
  if (aim_.sparsity > 0 && !eligible()) cut(session, aim_.sparsity);
}

bool ScoredPruner::eligible() const { return reached_ >= aim_.sparsity - 1e-9; }

void ScoredPruner::cut(Session& session, double sparsity) {
  torch::NoGradGuard no_grad;
  std::map<std::string, Linear*> linears;
  session.model().for_each_linear([&](const std::string& name, Linear& l) { linears[name] = &l; });

  // Value a parameter of every unit that is still open, all layers in one list.
  std::vector<Tensor> values, parameters;
  for (const Unit& unit : units_) {
    Tensor weight = unit.kind == Unit::Kind::kWeight ? linears.at(unit.name)->weight : Tensor();
    Tensor value = score_->value(unit, weight).to(at::kCPU, at::kDouble) / unit.parameters;
    Tensor closed = mask_of(unit).to(at::kCPU).eq(0);
    values.push_back(value.masked_fill(closed, kGone).flatten());
    parameters.push_back(at::full({unit.count}, unit.parameters, at::kDouble));
  }
  Tensor value = at::cat(values), parameter = at::cat(parameters);
  Tensor order = std::get<1>(at::sort(value, /*stable=*/true, 0, false));  // gone ones come first
  Tensor removed = parameter.index_select(0, order).cumsum(0);

  auto close_first = [&](int64_t count) {
    Tensor keep = at::ones({value.size(0)}, at::kDouble);
    keep.index_fill_(0, order.narrow(0, 0, count), 0);
    int64_t at = 0;
    for (const Unit& unit : units_) {
      Tensor mask = mask_of(unit);
      mask.copy_(keep.narrow(0, at, unit.count).view(mask.sizes()));
      at += unit.count;
    }
  };
  // Enough single units first; a sub-layer that lost its last unit takes bias and norm along, so
  // the exact count can only be lower: search downwards for the smallest number that reaches the
  // aim.
  double wanted = dense_parameters_ * sparsity;
  int64_t low = value.eq(kGone).sum().item<int64_t>();  // what is gone stays gone
  int64_t high = at::searchsorted(removed, wanted).item<int64_t>() + 1;
  high = std::clamp<int64_t>(high, low, value.size(0));
  auto reaches = [&](int64_t count) {
    close_first(count);
    return dense_parameters_ - cost_->actual_parameters(gates_) >= wanted - 0.5;
  };
  if (!reaches(high)) {
    throw StatusError(absl::InvalidArgumentError(absl::StrCat(
        name_, " cannot reach a sparsity of ", sparsity, ": with all it may remove gone, ",
        1 - cost_->actual_parameters(gates_) / dense_parameters_, " is reached; aim lower")));
  }
  if (scope_ != Scope::kWeight) {  // of weights the first guess is exact: one unit, one parameter
    while (low < high) {
      int64_t middle = (low + high) / 2;
      if (reaches(middle)) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    close_first(high);
  }
  reached_ = sparsity;
}

void ScoredPruner::save(State& state) const {
  if (gates_.head.defined()) state.tensors["gates.head"] = gates_.head;
  if (gates_.neuron.defined()) state.tensors["gates.neuron"] = gates_.neuron;
  for (const auto& [name, gate] : gates_.weight)
    state.tensors["gates.weight." + name] = gate.to(at::kByte);
  state.json["reached"] = reached_;
  score_->save(state);
}

void ScoredPruner::load(const State& state) {
  constexpr char kWeight[] = "gates.weight.";
  for (const auto& [name, tensor] : state.tensors) {
    if (name == "gates.head") gates_.head = tensor.clone();
    if (name == "gates.neuron") gates_.neuron = tensor.clone();
    if (name.starts_with(kWeight))
      gates_.weight[name.substr(sizeof(kWeight) - 1)] = tensor.to(at::kFloat);
  }
  reached_ = state.json.at("reached").get<double>();
  score_->load(state);
}

}  // namespace espalier
