#include "core/runtime/fused_backend.h"

#include <ATen/Parallel.h>

#include "core/model/attention.h"

namespace espalier::runtime {
namespace {

// The numbers are in panels now; shapes still say what the layer is.
void forget_numbers(Linear& linear) {
  if (linear.weight.defined())
    linear.weight = at::empty(linear.weight.sizes(), linear.weight.options().device(at::kMeta));
}

}  // namespace

FusedPlan make_fused_plan(Model model, Precision products) {
  torch::NoGradGuard no_grad;
  FusedPlan out;
  for (size_t i = 0; i < model.layers.size(); ++i) {
    auto& fused = out.layers.emplace_back();
    if (!FusedLayer::fits(model, static_cast<int>(i), products)) continue;
    fused.emplace(model, static_cast<int>(i), products);
    Layer& layer = model.layers[i];
    for (Linear* linear :
         {&layer.query, &layer.key, &layer.value, &layer.output, &layer.up, &layer.down})
      forget_numbers(*linear);
  }
  out.plan = make_plan(std::move(model), products);
  return out;
}

const FusedLayer* FusedBackend::fused(int layer) const {
  const auto& found = fused_.layers[static_cast<size_t>(layer)];
  return found ? &*found : nullptr;
}

Tensor FusedBackend::states(int64_t tokens, int64_t width) {
  const auto free = [&](const Tensor& one) {
    return one.size(1) == width && one.storage().use_count() == 1;
  };
  // What is free and too small would stay so.
  std::erase_if(kept_, [&](const Tensor& one) { return free(one) && one.size(0) < tokens; });
  for (const Tensor& one : kept_) {
    if (free(one)) return one.narrow(0, 0, tokens);
  }
  kept_.push_back(at::empty({tokens, width}, at::kFloat));
  return kept_.back().narrow(0, 0, tokens);
}

template <class Run>
Hidden FusedBackend::computed(const Hidden& hidden, Run&& run) {
  const PackedRows& in = packed(hidden);
  const auto threads = static_cast<size_t>(at::get_num_threads());
  if (team_.size() < threads) team_.resize(threads);
  const Tensor x = in.x.contiguous();
  Tensor y = states(x.size(0), x.size(1));
  run(FusedRows{x.const_data_ptr<float>(), y.mutable_data_ptr<float>(), in.rows->offsets}, team_);
  return with(hidden, std::move(y));
}

Hidden FusedBackend::attend(int layer, const Hidden& hidden, const LayerGates& gates,
                            Tensor* attention) {
  const FusedLayer* one = fused(layer);
  if (one == nullptr) return PackedBackend::attend(layer, hidden, gates, attention);
  check_no_gates(gates);
  TORCH_CHECK(attention == nullptr, "FusedBackend keeps no attention maps");
  const Tensor bias = kept_bias(model(), layer, packed(hidden).bias);
  return computed(hidden, [&](const FusedRows& rows, Team team) { one->attend(rows, bias, team); });
}

Hidden FusedBackend::feed(int layer, const Hidden& hidden, const LayerGates& gates) {
  const FusedLayer* one = fused(layer);
  if (one == nullptr) return PackedBackend::feed(layer, hidden, gates);
  check_no_gates(gates);
  return computed(hidden, [&](const FusedRows& rows, Team team) { one->feed(rows, team); });
}

}  // namespace espalier::runtime
