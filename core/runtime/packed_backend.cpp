#include "core/runtime/packed_backend.h"

#include "core/model/activation.h"
#include "core/model/attention.h"

namespace espalier::runtime {
namespace {

// A program that serves passes no gates; what was gated has been folded.
void check_no_gates(const LayerGates& gates) {
  bool any = gates.hidden.defined() || gates.attention.defined() || gates.ffn.defined() ||
             gates.head.defined() || gates.neuron.defined() || gates.all != nullptr;
  TORCH_CHECK(!any, "PackedBackend runs folded models only");
}

}  // namespace

Plan make_plan(Model model) {
  torch::NoGradGuard no_grad;
  Plan plan;
  plan.model = std::move(model);
  for (const Layer& layer : plan.model.layers) {
    Linear joined;
    if (layer.has_attention() && !layer.query.factored() && !layer.key.factored() &&
        !layer.value.factored()) {
      joined.weight = at::cat({layer.query.effective_weight(), layer.key.effective_weight(),
                               layer.value.effective_weight()});
      joined.bias = at::cat({layer.query.bias, layer.key.bias, layer.value.bias});
    }
    plan.query_key_value.push_back(std::move(joined));
  }
  return plan;
}

Hidden PackedBackend::embed(const Batch& batch, const LayerGates& gates) {
  check_no_gates(gates);
  return embedded(batch, Tensor(), [](const Tensor& x) { return x; });
}

Tensor PackedBackend::read(const Tensor& x, const Norm& norm) const {
  const ModelConfig& config = plan_.model.config;
  return config.norm_first ? norm.forward(x, config.norm_eps) : x;
}

Tensor PackedBackend::write(const Tensor& x, const Tensor& y, const Norm& norm) const {
  const ModelConfig& config = plan_.model.config;
  return config.norm_first ? x + y : norm.forward(x + y, config.norm_eps);
}

Hidden PackedBackend::attend(int layer, const Hidden& hidden, const LayerGates& gates,
                             Tensor* attention) {
  check_no_gates(gates);
  TORCH_CHECK(attention == nullptr, "PackedBackend keeps no attention maps");
  const PackedRows& in = packed(hidden);
  const Layer& w = plan_.model.layers[layer];
  Tensor x = read(in.x, w.attention_norm);
  const Linear& joined = plan_.query_key_value[layer];
  Tensor qkv = joined.defined()
                   ? joined.forward(x)
                   : at::cat({w.query.forward(x), w.key.forward(x), w.value.forward(x)}, 1);
  Tensor context = attend_rows(qkv, *in.rows, plan_.model.config.head_count(layer),
                               kept_bias(plan_.model, layer, in.bias), 0, nullptr);
  return with(hidden, write(in.x, w.output.forward(context), w.attention_norm));
}

Hidden PackedBackend::feed(int layer, const Hidden& hidden, const LayerGates& gates) {
  check_no_gates(gates);
  const PackedRows& in = packed(hidden);
  const Layer& w = plan_.model.layers[layer];
  Tensor inner = activate(plan_.model.config.activation, w.up.forward(read(in.x, w.ffn_norm)));
  return with(hidden, write(in.x, w.down.forward(inner), w.ffn_norm));
}

Hidden PackedBackend::finish(const Hidden& x, const LayerGates& gates) {
  check_no_gates(gates);
  return RowsBackend::finish(x, gates);
}

}  // namespace espalier::runtime
