#include "core/train/best_state.h"

#include <cmath>

namespace espalier {
namespace {
constexpr char kBestPrefix[] = "best.";
}

void BestState::see(double metric, const Model& model) {
  ++stale_;
  if (std::isnan(metric) || (!empty() && metric <= metric_)) return;
  stale_ = 0;
  metric_ = metric;
  tensors_ = model.clone().tensors();
}

void BestState::save(State& state) const {
  for (const auto& [name, tensor] : tensors_) state.tensors[kBestPrefix + name] = tensor;
  state.json["best_metric"] = metric_;
  state.json["stale_evaluations"] = stale_;
}

void BestState::load(const State& state) {
  for (const auto& [name, tensor] : state.tensors) {
    if (name.starts_with(kBestPrefix))
      tensors_[name.substr(sizeof(kBestPrefix) - 1)] = tensor.clone();
  }
  metric_ = state.json.at("best_metric").get<double>();
  stale_ = state.json.value("stale_evaluations", int64_t{0});
}

}  // namespace espalier
