#include "core/runtime/fused_backend.h"

#include "core/model/attention.h"

namespace espalier::runtime {
namespace {

// The same shape, and no memory: the walk still asks what a layer has.
void forget(Linear& linear) {
  if (!linear.defined()) return;
  linear.weight = at::zeros({1, 1}, linear.weight.options()).expand_as(linear.weight);
  linear.mask = Tensor();
}

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
  const auto layers = static_cast<int>(model.layers.size());
  for (int i = 0; i < layers; ++i) {
    std::optional<FusedLayer>& fused = out.layers.emplace_back();
    Layer& w = model.layers[static_cast<size_t>(i)];
    if (!FusedLayer::fits(model, i)) {
      out.plan.query_key_value.push_back(joined_query_key_value(w));
      continue;
    }
    out.plan.query_key_value.emplace_back();
    fused.emplace(model, i);
    for (Linear* linear : {&w.query, &w.key, &w.value, &w.output, &w.up, &w.down}) forget(*linear);
  }
  out.plan.model = std::move(model);
  return out;
}

Hidden FusedBackend::attend(int layer, const Hidden& hidden, const LayerGates& gates,
                            Tensor* attention) {
  const auto& fused = fused_.layers[static_cast<size_t>(layer)];
  if (!fused) return PackedBackend::attend(layer, hidden, gates, attention);
  check_no_gates(gates);
  TORCH_CHECK(attention == nullptr, "FusedBackend keeps no attention maps");
  const PackedRows& in = packed(hidden);
  const Tensor bias = kept_bias(model(), layer, in.bias);
  return with(hidden, computed(in, [&](const FusedRows& rows) { fused->attend(rows, bias); }));
}

Hidden FusedBackend::feed(int layer, const Hidden& hidden, const LayerGates& gates) {
  const auto& fused = fused_.layers[static_cast<size_t>(layer)];
  if (!fused) return PackedBackend::feed(layer, hidden, gates);
  check_no_gates(gates);
  return with(hidden, computed(packed(hidden), [&](const FusedRows& rows) { fused->feed(rows); }));
}

}  // namespace espalier::runtime
