#include "core/prune/dynabert.h"

#include <algorithm>
#include <cmath>

#include "core/base/guard.h"
#include "core/base/status_macros.h"
#include "core/prune/reachable.h"

namespace espalier {
namespace {

constexpr double kWidestSlack = 1e-9;

// [L, most units of a layer]: from which width on a unit is there. The one of rank r among n, by
// falling importance, is among the first round(width n) where width n >= r + 1/2.
Tensor places_by_rank(const Tensor& importance, const std::vector<int64_t>& counts) {
  const auto layers = static_cast<int64_t>(counts.size());
  const int64_t most = layers > 0 ? *std::max_element(counts.begin(), counts.end()) : 0;
  Tensor out = at::zeros({layers, most}, at::kDouble);
  for (int64_t i = 0; i < layers; ++i) {
    const int64_t count = counts[i];
    if (count == 0) continue;
    Tensor order = at::arange(count, at::kLong);
    if (importance.defined()) {
      order = std::get<1>(
          at::sort(importance[i].narrow(0, 0, count), /*stable=*/true, 0, /*descending=*/true));
    }
    Tensor place = (at::arange(count, at::kDouble) + 0.5) / static_cast<double>(count);
    place[0] = 0;  // the most important one stays
    out[i].index_copy_(0, order, place);
  }
  return out;
}

bool are_same(const Gates& a, const Gates& b) {
  const auto equal = [](const Tensor& x, const Tensor& y) {
    return x.defined() == y.defined() && (!x.defined() || at::equal(x, y));
  };
  return equal(a.attention, b.attention) && equal(a.ffn, b.ffn) && equal(a.head, b.head) &&
         equal(a.neuron, b.neuron);
}

// Without those that are open everywhere.
Gates gates_to_walk(const Gates& gates, torch::Device device) {
  Gates out = gates;
  for (Tensor* gate : {&out.attention, &out.ffn, &out.head, &out.neuron}) {
    *gate = gate->eq(1).all().item<bool>() ? Tensor() : gate->to(device, at::kFloat);
  }
  return out;
}

}  // namespace

std::vector<double> evenly_down_to(double least, int64_t count) {
  std::vector<double> out = {1};
  for (int64_t i = 1; i < count; ++i) {
    out.push_back(1 - (1 - least) * static_cast<double>(i) / static_cast<double>(count - 1));
  }
  return out;
}

std::vector<int64_t> layers_of_depth(int64_t layers, double depth) {
  // Halves to even, as the authors' round().
  const auto count = static_cast<int64_t>(std::nearbyint(depth * static_cast<double>(layers)));
  std::vector<int64_t> out;
  for (int64_t i = 0; i < std::max<int64_t>(count, 1); ++i)
    out.push_back(static_cast<int64_t>(std::floor(static_cast<double>(i) / depth + kWidestSlack)));
  return out;
}

Tensor neuron_saliency(const Linear& up, const Linear& down) {
  torch::NoGradGuard no_grad;
  Tensor rows = (up.weight * up.weight.grad()).sum(1);
  if (up.bias.defined()) rows = rows + up.bias * up.bias.grad();
  return rows.abs() + (down.weight * down.weight.grad()).sum(0).abs();
}

Subnetworks::Subnetworks(const ModelConfig& config, const Tensor& head_importance,
                         const Tensor& neuron_importance) {
  std::vector<int64_t> heads, neurons;
  for (const LayerShape& shape : config.layers) {
    heads.push_back(static_cast<int64_t>(shape.kept_heads.size()));
    neurons.push_back(shape.neurons);
    if (heads.back() + neurons.back() > 0)
      present_.push_back(static_cast<int64_t>(heads.size()) - 1);
  }
  head_place_ = places_by_rank(head_importance, heads);
  neuron_place_ = places_by_rank(neuron_importance, neurons);
}

Tensor Subnetworks::kept(double depth) const {
  Tensor out = at::zeros({head_place_.size(0)}, at::kDouble);
  if (present_.empty()) return out;
  for (int64_t i : layers_of_depth(static_cast<int64_t>(present_.size()), depth))
    out[present_[i]] = 1;
  return out;
}

Tensor Subnetworks::places(const Tensor& kept) const {
  const Tensor rows = kept.unsqueeze(1);
  return at::cat({(head_place_ * rows).flatten(), (neuron_place_ * rows).flatten()});
}

Gates Subnetworks::gates_of(const Tensor& kept, const Tensor& open) const {
  const int64_t heads = head_place_.numel(), neurons = neuron_place_.numel();
  Gates out;
  out.attention = kept;
  out.ffn = kept.clone();
  out.head = open.narrow(0, 0, heads).to(at::kDouble).view_as(head_place_);
  out.neuron = open.narrow(0, heads, neurons).to(at::kDouble).view_as(neuron_place_);
  return out;
}

Gates Subnetworks::at(double width, double depth) const {
  const Tensor layers = kept(depth);
  return gates_of(layers, places(layers).le(width));
}

Gates Subnetworks::widest(double depth, const Cost& cost, double gone) const {
  const Tensor layers = kept(depth), place = places(layers);
  const Tensor order = std::get<1>(at::sort(place, /*stable=*/true, 0, /*descending=*/true));
  const auto without = [&](int64_t count) {
    return gates_of(layers, at::ones_like(place).index_fill_(0, order.narrow(0, 0, count), 0));
  };
  int64_t low = 0, high = place.gt(0).sum().item<int64_t>();
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (cost.share_gone(without(middle)) >= gone - kWidestSlack) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return without(high);
}

void DynaBert::Options::read(OptionReader& reader) {
  reader.integer("batches", batches, 1, 100000,
                 "Batches of the train split that importances are summed over.");
  reader.integer("widths", widths, 1, 16,
                 "Widths that every step trains: so many, evenly from 1 down to narrowest.");
  reader.number("narrowest", narrowest, 0.01, 1,
                "The smallest width, a share of the heads and neurons of each layer.");
  reader.integer("depths", depths, 1, 16,
                 "Depths that steps of the second stage train: so many, evenly from 1 down to "
                 "shallowest.");
  reader.number("shallowest", shallowest, 0.01, 1, "The smallest depth, a share of the layers.");
  reader.number("width_share", width_share, 0, 1,
                "Share of the steps that train widths at full depth; the others train depths too.");
}

absl::Status DynaBert::check(const ModelConfig& config) const {
  ESPALIER_RETURN_IF_ERROR(check_whole("dynabert", config));
  const Subnetworks family(config, {}, {});
  const Cost cost = aim_.cost_of(config);
  double most = 0;
  for (double depth : evenly_down_to(options_.shallowest, options_.depths))
    most = std::max(most, cost.share_gone(family.at(0, depth)));
  return check_reachable("dynabert", aim_.sparsity, most);
}

void DynaBert::prepare(Session& session) {
  const Model& model = session.model();
  throw_if_error(check(model.config));
  if (!head_importance_.defined()) measure_importance(session);  // else a checkpoint's
  const Subnetworks family(model.config, head_importance_, neuron_importance_);
  target_ = target(model);
  full_depth_.clear();
  all_depths_.clear();
  // Rounded, two widths or depths of a small model may be one.
  const auto add = [](std::vector<Gates>& stage, const Gates& gates) {
    for (const Gates& other : stage) {
      if (are_same(gates, other)) return;
    }
    stage.push_back(gates);
  };
  for (double depth : evenly_down_to(options_.shallowest, options_.depths)) {
    for (double width : evenly_down_to(options_.narrowest, options_.widths)) {
      const Gates gates = gates_to_walk(family.at(width, depth), model.device());
      if (depth == 1) add(full_depth_, gates);
      add(all_depths_, gates);
    }
  }
  add(full_depth_, target_);
  add(all_depths_, target_);
}

void DynaBert::measure_importance(Session& session) {
  const ModelConfig& config = session.model().config;
  const auto layers = static_cast<int64_t>(config.layers.size());
  const Gates shape = all_closed(config, /*hidden=*/false);
  head_importance_ = at::zeros_like(shape.head);
  neuron_importance_ = at::zeros_like(shape.neuron);
  const auto see_neurons = [&](const Model& model) {
    for (int64_t i = 0; i < layers; ++i) {
      const Layer& layer = model.layers[i];
      if (!layer.has_ffn()) continue;
      const Tensor saliency = neuron_saliency(layer.up, layer.down).to(at::kCPU, at::kDouble);
      neuron_importance_[i].narrow(0, 0, saliency.size(0)).add_(saliency);
    }
  };
  for (int64_t draw = 0; draw < options_.batches; ++draw) {
    Gates open;  // fresh ones: their gradients add up
    open.head = at::ones(shape.head.sizes(), at::TensorOptions(session.model().device()))
                    .set_requires_grad(true);
    open.seal(config);
    session.task_gradients(open, draw, see_neurons);
    if (const Tensor& grad = open.head.grad(); grad.defined())
      head_importance_.add_(grad.abs().to(at::kCPU, at::kDouble));
  }
}

Gates DynaBert::target(const Model& model) const {
  const Subnetworks family(model.config, head_importance_, neuron_importance_);
  const Cost cost = aim_.cost_of(model.config);
  double depth_of_most = 1, most = -1;
  for (double depth : evenly_down_to(options_.shallowest, options_.depths)) {
    if (cost.share_gone(family.at(options_.narrowest, depth)) >= aim_.sparsity - kWidestSlack)
      return gates_to_walk(family.widest(depth, cost, aim_.sparsity), model.device());
    const double gone = cost.share_gone(family.at(0, depth));
    if (gone > most) {
      most = gone;
      depth_of_most = depth;
    }
  }
  return gates_to_walk(family.widest(depth_of_most, cost, aim_.sparsity), model.device());
}

std::vector<Gates> DynaBert::gates(const Step& step, Mode mode) {
  if (mode == Mode::kEval) return {target_};
  const bool widths_alone =
      static_cast<double>(step.index) < options_.width_share * static_cast<double>(step.total);
  return widths_alone ? full_depth_ : all_depths_;
}

void DynaBert::finish(Session& session) { target_ = target(session.model()); }

void DynaBert::save(State& state) const {
  state.tensors["importance.head"] = head_importance_;
  state.tensors["importance.neuron"] = neuron_importance_;
}

void DynaBert::load(const State& state) {
  head_importance_ = state.tensors.at("importance.head").clone();
  neuron_importance_ = state.tensors.at("importance.neuron").clone();
}

}  // namespace espalier
