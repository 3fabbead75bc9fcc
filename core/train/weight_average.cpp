#include "core/train/weight_average.h"

#include <algorithm>

namespace espalier {

WeightAverage::WeightAverage(const Model& model, double decay) : decay_(decay) {
  if (decay_ <= 0) return;
  model.for_each([&](const std::string& name, const Tensor& tensor) {
    if (!tensor.requires_grad()) return;
    names_.push_back(name);
    live_.push_back(tensor);
    averages_.push_back(tensor.detach().clone());
  });
}

void WeightAverage::see(int64_t step) {
  if (live_.empty()) return;
  torch::NoGradGuard no_grad;
  const auto t = static_cast<double>(step);
  at::_foreach_lerp_(averages_, live_, 1 - std::min(decay_, (1 + t) / (10 + t)));
}

void WeightAverage::restart(const std::vector<Tensor>& tensors) {
  torch::NoGradGuard no_grad;
  for (size_t i = 0; i < live_.size(); ++i) {
    const auto is_it = [&](const Tensor& tensor) { return tensor.is_same(live_[i]); };
    if (std::any_of(tensors.begin(), tensors.end(), is_it)) averages_[i].copy_(live_[i]);
  }
}

Model WeightAverage::of(const Model& model) const {
  Model out = model;
  out.for_each([&](const std::string& name, Tensor& tensor) {
    auto it = std::find(names_.begin(), names_.end(), name);
    if (it != names_.end()) tensor = averages_[static_cast<size_t>(it - names_.begin())];
  });
  return out;
}

void WeightAverage::save(State& state) const {
  for (size_t i = 0; i < names_.size(); ++i) state.tensors["ema." + names_[i]] = averages_[i];
}

void WeightAverage::load(const State& state) {
  for (size_t i = 0; i < names_.size(); ++i)
    averages_[i].copy_(state.tensors.at("ema." + names_[i]));
}

}  // namespace espalier
