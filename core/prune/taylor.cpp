#include "core/prune/taylor.h"

namespace espalier {

void TaylorScore::see(const Unit& unit, const Tensor&, const Tensor&, const Tensor& gate_grad) {
  Tensor saliency = gate_grad.detach().to(at::kCPU, at::kDouble).square();
  Average& average = averages_[unit.key()];
  if (!average.sum.defined()) average.sum = at::zeros_like(saliency);
  average.sum = average.sum * decay_ + saliency * (1 - decay_);
  average.weight = average.weight * decay_ + (1 - decay_);
}

Tensor TaylorScore::value(const Unit& unit, const Model&) const {
  auto it = averages_.find(unit.key());
  TORCH_CHECK(it != averages_.end() && it->second.weight > 0, "taylor: no gradient seen for ",
              unit.key());
  Tensor mean = it->second.sum / it->second.weight;
  if (normalize_) mean = mean / mean.norm().clamp_min(1e-30);
  return mean;
}

void TaylorScore::save(State& state) const {
  for (const auto& [key, average] : averages_) {
    state.tensors["taylor." + key] = average.sum;
    state.json["taylor"][key] = average.weight;
  }
}

void TaylorScore::load(const State& state) {
  averages_.clear();
  if (!state.json.contains("taylor")) return;
  for (const auto& [key, weight] : state.json["taylor"].items()) {
    averages_[key] = {state.tensors.at("taylor." + key).clone(), weight.get<double>()};
  }
}

}  // namespace espalier
