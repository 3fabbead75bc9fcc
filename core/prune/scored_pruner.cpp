#include "core/prune/scored_pruner.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"
#include "core/base/status_macros.h"
#include "core/method/schedule.h"
#include "core/prune/reachable.h"

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

absl::Status ScoredPruner::check(const ModelConfig& config) const {
  if (aim_.sparsity == 0) return absl::OkStatus();
  const Cost cost = aim_.cost_of(config);
  if (scope_ != Scope::kWeight) {
    ESPALIER_RETURN_IF_ERROR(check_whole(name_, config));
    return check_reachable(name_, aim_.sparsity, cost.share_gone(all_closed(config, false)));
  }
  ESPALIER_RETURN_IF_ERROR(check_weights_count(name_, aim_, config));
  return check_reachable(name_, aim_.sparsity,
                         whole_weights(config) * cost.single_weight() / cost.dense());
}

void ScoredPruner::prepare(Session& session) {
  const Model& model = session.model();
  throw_if_error(check(model.config));
  cost_ = std::make_unique<Cost>(aim_.cost_of(model.config));
  units_ = units_of(model, scope_, *cost_);
  score_->prepare(session);
  if (gates_.empty()) {  // not when a checkpoint was loaded
    gates_ = open_gates(model);
    for (int64_t round = 0; round < score_->rounds(); ++round) {
      live_ = gates_.map([](const Tensor& t) { return t.clone().set_requires_grad(true); });
      live_.seal(model.config);
      session.task_gradients(live_, round);
      observe(session);
    }
    if (ramp_.end == 0 && aim_.sparsity > 0)
      cut(session, std::min(aim_.sparsity, aim_.stop));  // in one shot
  }
}

Gates ScoredPruner::open_gates(const Model& model) const {
  const auto options = model.position.options().requires_grad(false);
  const auto layers = static_cast<int64_t>(model.layers.size());
  Gates gates;
  int64_t heads = 0, neurons = 0;
  for (const Unit& unit : units_) {
    if (unit.kind == Unit::Kind::kWeight) {
      gates.weight[unit.name] = at::ones_like(unit_weights(model, unit));
    } else if (unit.kind == Unit::Kind::kHead) {
      heads = std::max(heads, unit.count);
    } else if (unit.kind == Unit::Kind::kNeuron) {
      neurons = std::max(neurons, unit.count);
    } else {
      gates.attention = gates.ffn = at::ones({layers}, options);
    }
  }
  if (scope_ == Scope::kSublayer && gates.ffn.defined()) gates.ffn = gates.ffn.clone();
  if (heads > 0) gates.head = at::ones({layers, heads}, options);
  if (neurons > 0) gates.neuron = at::ones({layers, neurons}, options);
  return gates;
}

const Tensor& ScoredPruner::gate_of(const Gates& gates, const Unit& unit) {
  switch (unit.kind) {
    case Unit::Kind::kWeight:
      return gates.weight.at(unit.name);
    case Unit::Kind::kHead:
      return gates.head;
    case Unit::Kind::kNeuron:
      return gates.neuron;
    case Unit::Kind::kFfn:
      return gates.ffn;
    default:  // a layer's two hang together
      return gates.attention;
  }
}

Tensor ScoredPruner::of_unit(const Tensor& gate, const Unit& unit) {
  if (unit.kind == Unit::Kind::kWeight || !gate.defined()) return gate;
  return gate.dim() == 1 ? gate.narrow(0, unit.layer, 1)
                         : gate[unit.layer].narrow(0, 0, unit.count);
}

void ScoredPruner::observe(Session& session) {
  std::map<std::string, Linear*> linears;
  session.model().for_each_linear([&](const std::string& name, Linear& l) { linears[name] = &l; });
  // Undefined where a gate has no gradient.
  Gates grads = live_;
  const auto graded = [](Tensor& gate) {
    if (gate.defined()) gate = gate.requires_grad() ? gate.grad() : Tensor();
  };
  for (Tensor* gate : {&grads.attention, &grads.ffn, &grads.head, &grads.neuron}) graded(*gate);
  for (auto& [name, gate] : grads.weight) graded(gate);
  for (const Unit& unit : units_) {
    Tensor weight, weight_grad, gate_grad = of_unit(gate_of(grads, unit), unit);
    if (unit.kind == Unit::Kind::kWeight) {
      weight = linears.at(unit.name)->weight;
      weight_grad = weight.grad();
    }
    if (unit.kind == Unit::Kind::kLayer) {
      const Tensor ffn = of_unit(grads.ffn, unit);
      gate_grad = !gate_grad.defined() ? ffn : ffn.defined() ? gate_grad + ffn : gate_grad;
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
  const double sparsity = std::min(
      cubic_sparsity(step.index + 1, step.total, ramp_.begin, ramp_.end, aim_.sparsity), aim_.stop);
  bool due = (step.index + 1) % ramp_.interval == 0 || step.index + 1 == step.total;
  if (due && sparsity > reached_) cut(session, sparsity);
}

void ScoredPruner::finish(Session& session) {
  if (aim_.sparsity > 0 && !eligible()) cut(session, aim_.sparsity);
}

bool ScoredPruner::eligible() const { return reached_ >= aim_.sparsity - 1e-9; }

void ScoredPruner::cut(Session& session, double sparsity) {
  torch::NoGradGuard no_grad;
  // Value by cost of every unit that is still open, all layers in one list.
  std::vector<Tensor> values, costs;
  for (const Unit& unit : units_) {
    const Tensor value = score_->value(unit, session.model()).to(at::kCPU, at::kDouble).flatten();
    const Tensor closed = of_unit(gate_of(gates_, unit), unit).to(at::kCPU).flatten().eq(0);
    values.push_back((value / unit.cost).masked_fill(closed, kGone));
    costs.push_back(at::full({unit.count}, unit.cost, at::kDouble));
  }
  Tensor value = at::cat(values), cost = at::cat(costs);
  Tensor order = std::get<1>(at::sort(value, /*stable=*/true, 0, false));  // gone ones come first
  Tensor removed = cost.index_select(0, order).cumsum(0);

  auto close_first = [&](int64_t count) {
    Tensor keep = at::ones({value.size(0)}, at::kDouble);
    keep.index_fill_(0, order.narrow(0, 0, count), 0);
    int64_t at = 0;
    for (const Unit& unit : units_) {
      Tensor mask = of_unit(gate_of(gates_, unit), unit);
      mask.copy_(keep.narrow(0, at, unit.count).view(mask.sizes()));
      at += unit.count;
    }
  };
  // A first guess, which is right for single weights. A sub-layer that lost its last unit takes
  // bias and norm along, and times need not be sums over units: the smallest number that reaches
  // the aim is searched for below it.
  auto reaches = [&](int64_t count) {
    close_first(count);
    return cost_->share_gone(gates_) >= sparsity - 1e-9;
  };
  int64_t low = value.eq(kGone).sum().item<int64_t>();  // what is gone stays gone
  int64_t high = at::searchsorted(removed, cost_->dense() * sparsity).item<int64_t>() + 1;
  high = std::clamp<int64_t>(high, low, value.size(0));
  if (!reaches(high)) high = value.size(0);
  if (!reaches(high)) {
    throw StatusError(absl::InvalidArgumentError(
        absl::StrCat(name_, " cannot take away a share of ", sparsity,
                     " of what the target counts: with all it ", "may remove gone, ",
                     cost_->share_gone(gates_), " is reached; aim lower")));
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
  const auto keep = [&](const char* name, const Tensor& gate) {
    if (gate.defined()) state.tensors[name] = gate.clone();
  };
  keep("gates.attention", gates_.attention);
  keep("gates.ffn", gates_.ffn);
  keep("gates.head", gates_.head);
  keep("gates.neuron", gates_.neuron);
  for (const auto& [name, gate] : gates_.weight)
    state.tensors["gates.weight." + name] = gate.to(at::kByte);
  state.json["reached"] = reached_;
  score_->save(state);
}

void ScoredPruner::load(const State& state) {
  constexpr char kWeight[] = "gates.weight.";
  for (const auto& [name, tensor] : state.tensors) {
    if (name == "gates.attention") gates_.attention = tensor.clone();
    if (name == "gates.ffn") gates_.ffn = tensor.clone();
    if (name == "gates.head") gates_.head = tensor.clone();
    if (name == "gates.neuron") gates_.neuron = tensor.clone();
    if (name.starts_with(kWeight))
      gates_.weight[name.substr(sizeof(kWeight) - 1)] = tensor.to(at::kFloat);
  }
  reached_ = state.json.at("reached").get<double>();
  if (scope_ == Scope::kLayer) gates_.ffn = gates_.attention;  // one gate for both
  score_->load(state);
}

}  // namespace espalier
