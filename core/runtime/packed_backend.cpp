#include "core/runtime/packed_backend.h"

#include "core/model/activation.h"
#include "core/model/attention.h"
#include "core/model/embedding.h"

namespace espalier::runtime {
namespace {

struct Packed : HiddenState {
  Tensor x;  // [N,D]
  std::shared_ptr<const TokenRows> rows;
};

const Packed& packed(const Hidden& x) { return static_cast<const Packed&>(*x); }

std::shared_ptr<Packed> with(const Hidden& like, Tensor x) {
  auto out = std::make_shared<Packed>(packed(like));
  out->x = std::move(x);
  return out;
}

// A program that serves passes no gates; what was gated has been folded.
void check_no_gates(const LayerGates& gates) {
  bool any = gates.hidden.defined() || gates.attention.defined() || gates.ffn.defined() ||
             gates.head.defined() || gates.neuron.defined() || gates.all != nullptr;
  TORCH_CHECK(!any, "PackedBackend runs folded models only");
}

Tensor layer_norm(const Tensor& x, const Norm& norm, double eps) {
  return at::layer_norm(x, {x.size(-1)}, norm.weight, norm.bias, eps);
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
  auto out = std::make_shared<Packed>();
  out->rows = std::make_shared<const TokenRows>(batch.lengths, plan_.model.device());
  out->x = embed_rows(plan_.model, batch, *out->rows, Tensor(), [](const Tensor& x) { return x; });
  return out;
}

Tensor PackedBackend::read(const Tensor& x, const Norm& norm) const {
  const ModelConfig& config = plan_.model.config;
  return config.norm_first ? layer_norm(x, norm, config.norm_eps) : x;
}

Tensor PackedBackend::write(const Tensor& x, const Tensor& y, const Norm& norm) const {
  const ModelConfig& config = plan_.model.config;
  return config.norm_first ? x + y : layer_norm(x + y, norm, config.norm_eps);
}

Hidden PackedBackend::attend(int layer, const Hidden& hidden, const LayerGates& gates,
                             Tensor* attention) {
  check_no_gates(gates);
  TORCH_CHECK(attention == nullptr, "PackedBackend keeps no attention maps");
  const Packed& in = packed(hidden);
  const Layer& w = plan_.model.layers[layer];
  Tensor x = read(in.x, w.attention_norm);
  const Linear& joined = plan_.query_key_value[layer];
  Tensor qkv = joined.defined()
                   ? joined.forward(x)
                   : at::cat({w.query.forward(x), w.key.forward(x), w.value.forward(x)}, 1);
  Tensor context = attend_rows(qkv, *in.rows, plan_.model.config.head_count(layer),
                               relative_bias(plan_.model, layer, in.rows->longest), 0, nullptr);
  return with(hidden, write(in.x, w.output.forward(context), w.attention_norm));
}

Hidden PackedBackend::feed(int layer, const Hidden& hidden, const LayerGates& gates) {
  check_no_gates(gates);
  const Packed& in = packed(hidden);
  const Layer& w = plan_.model.layers[layer];
  Tensor inner = activate(plan_.model.config.activation, w.up.forward(read(in.x, w.ffn_norm)));
  return with(hidden, write(in.x, w.down.forward(inner), w.ffn_norm));
}

Hidden PackedBackend::take(const Hidden& hidden, const Tensor& index) {
  const Packed& in = packed(hidden);
  Tensor chosen = index.to(at::kCPU).contiguous();
  const int64_t* rows = chosen.const_data_ptr<int64_t>();
  std::vector<Tensor> parts;
  for (int64_t i = 0; i < chosen.size(0); ++i)
    parts.push_back(in.x.narrow(0, in.rows->offsets[rows[i]], in.rows->lengths[rows[i]]));
  auto out = std::make_shared<Packed>();
  out->x = at::cat(parts);
  out->rows = std::make_shared<const TokenRows>(in.rows->lengths_of(chosen), in.x.device());
  return out;
}

Hidden PackedBackend::blend(const Hidden& layer, const Hidden& before, const Tensor& share) {
  const Packed& after = packed(layer);
  Tensor s = share.index_select(0, after.rows->row_of_token()).unsqueeze(1);
  return with(layer, after.x * (1 - s) + packed(before).x * s);
}

Hidden PackedBackend::finish(const Hidden& x, const LayerGates& gates) {
  check_no_gates(gates);
  const Model& model = plan_.model;
  if (!model.final_norm.defined()) return x;
  return with(x, layer_norm(packed(x).x, model.final_norm, model.config.norm_eps));
}

Tensor PackedBackend::cls(const Hidden& x) {
  return packed(x).x.index_select(0, packed(x).rows->first);
}

Tensor PackedBackend::mean(const Hidden& x) { return row_means(packed(x).x, *packed(x).rows); }

Tensor PackedBackend::tokens(const Hidden& x) { return packed(x).x; }

}  // namespace espalier::runtime
