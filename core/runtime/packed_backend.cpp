#include "core/runtime/packed_backend.h"

#include "core/kernels/ragged_attention.h"

namespace espalier::runtime {
namespace {

struct Packed : HiddenState {
  Tensor x;                      // [N,D]
  std::vector<int64_t> offsets;  // [B+1]
  Tensor first;                  // [B] int64: row of x with each row's first token
};

const Packed& packed(const Hidden& x) { return static_cast<const Packed&>(*x); }

Tensor first_tokens(const std::vector<int64_t>& offsets) {
  return torch::tensor(std::vector<int64_t>(offsets.begin(), offsets.end() - 1), torch::kInt64);
}

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

// Where there is no kernel of our own: LibTorch's, one row after the other. [N,3hd] -> [N,hd].
Tensor attention_by_row(const Tensor& query_key_value, const std::vector<int64_t>& offsets,
                        int64_t heads) {
  const int64_t tokens = query_key_value.size(0), width = query_key_value.size(1) / 3 / heads;
  Tensor qkv = query_key_value.view({tokens, 3, heads, width}).permute({1, 2, 0, 3});
  Tensor context = at::empty({tokens, heads, width}, query_key_value.options());
  for (size_t row = 0; row + 1 < offsets.size(); ++row) {
    const int64_t begin = offsets[row], length = offsets[row + 1] - begin;
    Tensor part = qkv.narrow(2, begin, length).unsqueeze(1);  // [3,1,h,T,hd]
    Tensor mixed = at::scaled_dot_product_attention(part[0], part[1], part[2]);
    context.narrow(0, begin, length).copy_(mixed.squeeze(0).transpose(0, 1));
  }
  return context.view({tokens, heads * width});
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
  const Model& model = plan_.model;
  auto device = model.word.device();
  auto out = std::make_shared<Packed>();
  out->offsets = batch.offsets();
  out->first = first_tokens(out->offsets).to(device);
  std::vector<int64_t> positions;
  positions.reserve(static_cast<size_t>(batch.tokens()));
  for (int64_t length : batch.lengths) {
    for (int64_t t = 0; t < length; ++t) positions.push_back(t);
  }
  Tensor x = at::embedding(model.word, batch.ids.to(device));
  x = x + at::embedding(model.position, torch::tensor(positions, torch::kInt64).to(device));
  if (model.token_type.defined()) x = x + at::embedding(model.token_type, batch.types.to(device));
  out->x = layer_norm(x, model.embedding_norm, model.config.norm_eps);
  return out;
}

Hidden PackedBackend::attend(int layer, const Hidden& hidden, const LayerGates& gates,
                             Tensor* attention) {
  check_no_gates(gates);
  TORCH_CHECK(attention == nullptr, "PackedBackend keeps no attention maps");
  const Packed& in = packed(hidden);
  const Layer& w = plan_.model.layers[layer];
  const int64_t heads = plan_.model.config.head_count(layer);

  const Linear& joined = plan_.query_key_value[layer];
  Tensor qkv =
      joined.defined()
          ? joined.forward(in.x)
          : at::cat({w.query.forward(in.x), w.key.forward(in.x), w.value.forward(in.x)}, 1);
  const bool fits = qkv.is_cpu() && qkv.scalar_type() == at::kFloat;
  Tensor context =
      fits ? ragged_attention(qkv, in.offsets, heads) : attention_by_row(qkv, in.offsets, heads);
  Tensor y = w.output.forward(context);
  return with(hidden, layer_norm(in.x + y, w.attention_norm, plan_.model.config.norm_eps));
}

Hidden PackedBackend::feed(int layer, const Hidden& hidden, const LayerGates& gates) {
  check_no_gates(gates);
  const Packed& in = packed(hidden);
  const Layer& w = plan_.model.layers[layer];
  Tensor y = w.down.forward(at::gelu(w.up.forward(in.x)));
  return with(hidden, layer_norm(in.x + y, w.ffn_norm, plan_.model.config.norm_eps));
}

Hidden PackedBackend::take(const Hidden& hidden, const Tensor& index) {
  const Packed& in = packed(hidden);
  Tensor host = index.to(at::kCPU).contiguous();
  const int64_t* rows = host.data_ptr<int64_t>();
  auto out = std::make_shared<Packed>();
  out->offsets.push_back(0);
  std::vector<Tensor> parts;
  for (int64_t i = 0; i < host.size(0); ++i) {
    int64_t begin = in.offsets[rows[i]], length = in.offsets[rows[i] + 1] - begin;
    parts.push_back(in.x.narrow(0, begin, length));
    out->offsets.push_back(out->offsets.back() + length);
  }
  out->x = at::cat(parts);
  out->first = first_tokens(out->offsets).to(in.x.device());
  return out;
}

Hidden PackedBackend::blend(const Hidden& layer, const Hidden& before, const Tensor& share) {
  const Packed& after = packed(layer);
  std::vector<int64_t> lengths;
  for (size_t i = 0; i + 1 < after.offsets.size(); ++i)
    lengths.push_back(after.offsets[i + 1] - after.offsets[i]);
  Tensor repeats = torch::tensor(lengths, torch::kInt64).to(share.device());
  Tensor s = share.repeat_interleave(repeats).unsqueeze(1);
  return with(layer, after.x * (1 - s) + packed(before).x * s);
}

Tensor PackedBackend::cls(const Hidden& x) { return packed(x).x.index_select(0, packed(x).first); }

Tensor PackedBackend::tokens(const Hidden& x) { return packed(x).x; }

}  // namespace espalier::runtime
