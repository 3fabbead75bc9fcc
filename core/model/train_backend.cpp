#include "core/model/train_backend.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/model/dropout.h"

namespace espalier {
namespace {

struct Padded : HiddenState {
  Tensor x;                      // [B,T,D]
  Tensor key_mask;               // [B,1,1,T] bool, undefined when no row is padded
  std::vector<int64_t> lengths;  // [B]
};

const Padded& padded(const Hidden& x) { return static_cast<const Padded&>(*x); }

std::shared_ptr<Padded> with(const Hidden& like, Tensor x) {
  auto out = std::make_shared<Padded>(padded(like));
  out->x = std::move(x);
  return out;
}

// Index of every token in the flattened [B,T] grid, [N].
Tensor grid_index(const std::vector<int64_t>& lengths, int64_t longest) {
  std::vector<int64_t> index;
  for (size_t row = 0; row < lengths.size(); ++row) {
    for (int64_t t = 0; t < lengths[row]; ++t)
      index.push_back(static_cast<int64_t>(row) * longest + t);
  }
  return torch::tensor(index, torch::kInt64);
}

Tensor key_mask_of(const std::vector<int64_t>& lengths, int64_t longest, torch::Device device) {
  bool even = true;
  for (int64_t n : lengths) even = even && n == longest;
  if (even) return {};
  Tensor n = torch::tensor(lengths, torch::kInt64).unsqueeze(1);
  return (at::arange(longest).unsqueeze(0) < n).unsqueeze(1).unsqueeze(1).to(device);
}

Tensor gated(const Tensor& x, const Tensor& gate) { return gate.defined() ? x * gate : x; }

}  // namespace

Tensor head_logits(const Linear& pooler, const Linear& classifier, const Tensor& cls,
                   double dropout) {
  Tensor pooled = at::tanh(pooler.forward(cls));
  return classifier.forward(espalier::dropout(pooled, dropout));
}

Tensor gated_layer_norm(const Tensor& x, const Norm& norm, const Tensor& gate, double eps) {
  if (!gate.defined()) return at::layer_norm(x, {x.size(-1)}, norm.weight, norm.bias, eps);
  Tensor open = gate.detach().ne(0).to(x.dtype());
  Tensor count = open.sum().clamp_min(1);
  Tensor mean = (x * open).sum(-1, true) / count;
  Tensor centred = (x - mean) * open;
  Tensor variance = centred.square().sum(-1, true) / count;
  return (centred * at::rsqrt(variance + eps) * norm.weight + norm.bias) * gate;
}

TrainBackend::TrainBackend(const Model& model, double dropout)
    : model_(model),
      hidden_dropout_(dropout < 0 ? model.config.hidden_dropout : dropout),
      attention_dropout_(dropout < 0 ? model.config.attention_dropout : dropout) {}

Tensor TrainBackend::drop(const Tensor& x) const {
  return training_ ? dropout(x, hidden_dropout_) : x;
}

Hidden TrainBackend::embed(const Batch& batch, const LayerGates& gates) {
  int64_t rows = batch.rows(), longest = batch.longest();
  auto device = model_.word.device();
  Tensor index = grid_index(batch.lengths, longest);
  auto grid = [&](const Tensor& packed, int64_t pad) {
    Tensor out = at::full({rows * longest}, pad, packed.options());
    return out.index_copy(0, index, packed).view({rows, longest}).to(device);
  };
  Tensor x = at::embedding(model_.word, grid(batch.ids, model_.config.pad_id));
  x = x + model_.position.narrow(0, 0, longest).unsqueeze(0);
  if (model_.token_type.defined()) x = x + at::embedding(model_.token_type, grid(batch.types, 0));
  x = gated_layer_norm(gated(x, gates.hidden), model_.embedding_norm, gates.hidden,
                       model_.config.norm_eps);
  auto out = std::make_shared<Padded>();
  out->x = drop(x);
  out->key_mask = key_mask_of(batch.lengths, longest, device);
  out->lengths = batch.lengths;
  return out;
}

Hidden TrainBackend::attend(int layer, const Hidden& hidden, const LayerGates& gates,
                            Tensor* attention) {
  const Padded& in = padded(hidden);
  const Layer& w = model_.layers[layer];
  std::string prefix = absl::StrCat("layers.", layer, ".attention.");
  int64_t rows = in.x.size(0), length = in.x.size(1);
  int64_t heads = model_.config.head_count(layer), head_dim = model_.config.layers[layer].head_dim;

  auto project = [&](const char* name, const Linear& linear) {
    Tensor y = linear.forward(in.x, gates.weight(prefix + name), gates.rank(prefix + name));
    return y.view({rows, length, heads, head_dim}).transpose(1, 2);  // [B,h,T,hd]
  };
  Tensor q = project("query", w.query), k = project("key", w.key), v = project("value", w.value);

  const double p = training_ ? attention_dropout_ : 0;
  Tensor context;
  if (attention != nullptr || p > 0) {  // with dropout LibTorch has no fused kernel for the CPU
    Tensor scores = at::matmul(q, k.transpose(-1, -2)) / std::sqrt(static_cast<double>(head_dim));
    if (in.key_mask.defined()) scores = scores.masked_fill(in.key_mask.logical_not(), -1e30);
    Tensor probabilities = at::softmax(scores, -1);
    if (attention != nullptr) {
      *attention = probabilities;
      if (in.key_mask.defined()) {  // rows of padded queries mean nothing
        *attention = probabilities * in.key_mask.transpose(-1, -2).to(probabilities.dtype());
      }
    }
    context = at::matmul(dropout(probabilities, p), v);
  } else {
    context = at::scaled_dot_product_attention(
        q, k, v, in.key_mask.defined() ? std::optional<Tensor>(in.key_mask) : std::nullopt);
  }
  if (gates.head.defined()) context = context * gates.head.view({1, heads, 1, 1});
  context = context.transpose(1, 2).reshape({rows, length, heads * head_dim});

  Tensor y = drop(
      w.output.forward(context, gates.weight(prefix + "output"), gates.rank(prefix + "output")));
  y = gated(gated(y, gates.attention), gates.hidden);
  return with(hidden,
              gated_layer_norm(in.x + y, w.attention_norm, gates.hidden, model_.config.norm_eps));
}

Hidden TrainBackend::feed(int layer, const Hidden& hidden, const LayerGates& gates) {
  const Padded& in = padded(hidden);
  const Layer& w = model_.layers[layer];
  std::string prefix = absl::StrCat("layers.", layer, ".ffn.");
  Tensor inner =
      at::gelu(w.up.forward(in.x, gates.weight(prefix + "up"), gates.rank(prefix + "up")));
  inner = gated(inner, gates.neuron);
  Tensor y =
      drop(w.down.forward(inner, gates.weight(prefix + "down"), gates.rank(prefix + "down")));
  y = gated(gated(y, gates.ffn), gates.hidden);
  return with(hidden, gated_layer_norm(in.x + y, w.ffn_norm, gates.hidden, model_.config.norm_eps));
}

Hidden TrainBackend::take(const Hidden& hidden, const Tensor& index) {
  const Padded& in = padded(hidden);
  auto out = std::make_shared<Padded>();
  out->x = in.x.index_select(0, index);
  if (in.key_mask.defined()) out->key_mask = in.key_mask.index_select(0, index);
  Tensor host = index.to(at::kCPU);
  for (int64_t i = 0; i < host.size(0); ++i)
    out->lengths.push_back(in.lengths[host[i].item<int64_t>()]);
  return out;
}

Hidden TrainBackend::blend(const Hidden& layer, const Hidden& before, const Tensor& share) {
  Tensor s = share.view({-1, 1, 1});
  return with(layer, padded(layer).x * (1 - s) + padded(before).x * s);
}

Tensor TrainBackend::cls(const Hidden& x) { return padded(x).x.select(1, 0); }

Tensor TrainBackend::tokens(const Hidden& x) {
  const Padded& in = padded(x);
  Tensor index = grid_index(in.lengths, in.x.size(1)).to(in.x.device());
  return in.x.flatten(0, 1).index_select(0, index);
}

}  // namespace espalier
