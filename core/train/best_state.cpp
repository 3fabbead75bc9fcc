#include "core/train/best_state.h"

#include <cmath>

namespace espalier {
namespace {

constexpr char kBestPrefix[] = "best.", kMethodsPrefix[] = "best_methods.";

std::map<std::string, Tensor> behind(const std::string& prefix,
                                     const std::map<std::string, Tensor>& tensors) {
  std::map<std::string, Tensor> out;
  for (const auto& [name, tensor] : tensors)
    if (name.starts_with(prefix)) out[name.substr(prefix.size())] = tensor.clone();
  return out;
}

}  // namespace

void BestState::see(double metric, const Model& model, const State& methods) {
  ++stale_;
  if (std::isnan(metric) || (!empty() && metric <= metric_)) return;
  stale_ = 0;
  metric_ = metric;
  tensors_ = model.clone().tensors();
  methods_ = {behind("", methods.tensors), methods.json};
}

void BestState::save(State& state) const {
  for (const auto& [name, tensor] : tensors_) state.tensors[kBestPrefix + name] = tensor;
  for (const auto& [name, tensor] : methods_.tensors) state.tensors[kMethodsPrefix + name] = tensor;
  state.json["best_methods"] = methods_.json;
  state.json["best_metric"] = metric_;
  state.json["stale_evaluations"] = stale_;
}

void BestState::load(const State& state) {
  tensors_ = behind(kBestPrefix, state.tensors);
  methods_ = {behind(kMethodsPrefix, state.tensors),
              state.json.value("best_methods", Json::object())};
  metric_ = state.json.at("best_metric").get<double>();
  stale_ = state.json.value("stale_evaluations", int64_t{0});
}

}  // namespace espalier
