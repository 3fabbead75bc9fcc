#include "core/runtime/packed_backend.h"

#include "core/model/activation.h"
#include "core/model/attention.h"

namespace espalier::runtime {
namespace {

// The values that kernels::Rows8 would make of x [N,K], by LibTorch's operators.
Tensor rounded_to_8_bits(const Tensor& x) {
  const Tensor low = x.amin(1, /*keepdim=*/true).clamp_max(0);
  const Tensor high = x.amax(1, /*keepdim=*/true).clamp_min(0);
  const Tensor step = (high - low) / 255.0;
  const Tensor scale = at::where(step.gt(1e-37), step, at::ones_like(step));
  const Tensor zero = at::floor(-low / scale + 0.5);
  const Tensor numbers = (at::round(x * scale.reciprocal()) + zero).clamp(0, 255);
  return (numbers - zero) * scale;
}

void to_bf16(Linear& linear) {
  for (Tensor* tensor : {&linear.weight, &linear.bias, &linear.down, &linear.up}) {
    if (tensor->defined()) *tensor = tensor->to(at::kBFloat16);
  }
}

}  // namespace

Precision products_of(Precision stored, torch::Device device) {
  const bool emulated = stored == Precision::kBf16 && !multiplies_bf16(device);
  return emulated ? Precision::kFp32 : stored;
}

void PackedBackend::check_no_gates(const LayerGates& gates) {
  bool any = gates.hidden.defined() || gates.attention.defined() || gates.ffn.defined() ||
             gates.head.defined() || gates.neuron.defined() || gates.all != nullptr;
  TORCH_CHECK(!any, "PackedBackend runs folded models only");
}

Linear joined_query_key_value(const Layer& layer) {
  Linear out;
  if (layer.has_attention() && !layer.query.factored() && !layer.key.factored() &&
      !layer.value.factored()) {
    out.weight = at::cat({layer.query.effective_weight(), layer.key.effective_weight(),
                          layer.value.effective_weight()});
    out.bias = at::cat({layer.query.bias, layer.key.bias, layer.value.bias});
  }
  return out;
}

Plan make_plan(Model model, Precision products) {
  torch::NoGradGuard no_grad;
  Plan plan;
  plan.products = products;
  if (products == Precision::kBf16)
    model.for_each_linear([](const std::string&, Linear& linear) { to_bf16(linear); });
  for (const Layer& layer : model.layers)
    plan.query_key_value.push_back(joined_query_key_value(layer));
  plan.model = std::move(model);
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

Tensor PackedBackend::product(const Linear& linear, const Tensor& x) const {
  switch (plan_.products) {
    case Precision::kBf16:
      return linear.forward(x, {}, {}, half_);
    case Precision::kInt8:
      return linear.forward(rounded_to_8_bits(x));
    case Precision::kFp32:
      break;
  }
  return linear.forward(x);
}

Hidden PackedBackend::attend(int layer, const Hidden& hidden, const LayerGates& gates,
                             AttentionMaps* maps) {
  check_no_gates(gates);
  TORCH_CHECK(maps == nullptr, "PackedBackend keeps no attention maps");
  const PackedRows& in = packed(hidden);
  const Layer& w = plan_.model.layers[layer];
  Tensor x = read(in.x, w.attention_norm);
  const Linear& joined = plan_.query_key_value[layer];
  Tensor qkv = joined.defined()
                   ? product(joined, x)
                   : at::cat({product(w.query, x), product(w.key, x), product(w.value, x)}, 1);
  Tensor context = attend_rows(qkv, *in.rows, plan_.model.config.head_count(layer),
                               kept_bias(plan_.model, layer, in.bias), 0, nullptr);
  return with(hidden, write(in.x, product(w.output, context), w.attention_norm));
}

Hidden PackedBackend::feed(int layer, const Hidden& hidden, const LayerGates& gates) {
  check_no_gates(gates);
  const PackedRows& in = packed(hidden);
  const Layer& w = plan_.model.layers[layer];
  Tensor inner = activate(plan_.model.config.activation, product(w.up, read(in.x, w.ffn_norm)));
  return with(hidden, write(in.x, product(w.down, inner), w.ffn_norm));
}

Hidden PackedBackend::finish(const Hidden& x, const LayerGates& gates) {
  check_no_gates(gates);
  return RowsBackend::finish(x, gates);
}

}  // namespace espalier::runtime
