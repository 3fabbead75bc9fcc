#include "core/runtime/fused_backend.h"

#include "core/model/attention.h"

namespace espalier::runtime {
namespace {

// run(rows) from the states `in` to the ones that are returned.
template <class Run>
Tensor computed(const PackedRows& in, Run&& run) {
  const Tensor x = in.x.contiguous();
  Tensor y = at::empty_like(x);
  run(FusedRows{x.const_data_ptr<float>(), y.mutable_data_ptr<float>(), in.rows->offsets});
  return y;
}

}  // namespace

FusedPlan make_fused_plan(Model model) {
  torch::NoGradGuard no_grad;
  FusedPlan out;
  for (int i = 0; i < static_cast<int>(model.layers.size()); ++i) {
    auto& fused = out.layers.emplace_back();
    if (FusedLayer::fits(model, i)) fused.emplace(model, i);
  }
  out.plan = make_plan(std::move(model));
  return out;
}

const FusedLayer* FusedBackend::fused(int layer, const PackedRows& in) const {
  const auto& found = fused_.layers[static_cast<size_t>(layer)];
  return found && in.rows->tokens() <= kMostTokens ? &*found : nullptr;
}

Hidden FusedBackend::attend(int layer, const Hidden& hidden, const LayerGates& gates,
                            Tensor* attention) {
  const PackedRows& in = packed(hidden);
  const FusedLayer* layer_in_one = attention == nullptr ? fused(layer, in) : nullptr;
  if (layer_in_one == nullptr) return PackedBackend::attend(layer, hidden, gates, attention);
  check_no_gates(gates);
  const Tensor bias = kept_bias(model(), layer, in.bias);
  return with(hidden,
              computed(in, [&](const FusedRows& rows) { layer_in_one->attend(rows, bias); }));
}

Hidden FusedBackend::feed(int layer, const Hidden& hidden, const LayerGates& gates) {
  const PackedRows& in = packed(hidden);
  const FusedLayer* layer_in_one = fused(layer, in);
  if (layer_in_one == nullptr) return PackedBackend::feed(layer, hidden, gates);
  check_no_gates(gates);
  return with(hidden, computed(in, [&](const FusedRows& rows) { layer_in_one->feed(rows); }));
}

}  // namespace espalier::runtime
