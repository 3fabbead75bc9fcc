#include "core/model/train_backend.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/kernels/dropout.h"
#include "core/kernels/ragged_attention.h"

namespace espalier {
namespace {

// How the tokens of a batch lie, shared by all hidden states of a walk.
struct Rows {
  std::vector<int64_t> lengths, offsets;  // [B], [B+1]
  int64_t longest = 0;
  Tensor first;  // [B] int64: each row's first token

  Rows(std::vector<int64_t> lengths_, torch::Device device) : lengths(std::move(lengths_)) {
    offsets.push_back(0);
    for (int64_t n : lengths) {
      offsets.push_back(offsets.back() + n);
      longest = std::max(longest, n);
    }
    first = torch::tensor(std::vector<int64_t>(offsets.begin(), offsets.end() - 1), torch::kInt64)
                .to(device);
  }
  int64_t count() const { return static_cast<int64_t>(lengths.size()); }
  bool even() const { return offsets.back() == count() * longest; }
  // Position of every token in its row, [N].
  Tensor positions() const {
    std::vector<int64_t> out;
    out.reserve(static_cast<size_t>(offsets.back()));
    for (int64_t n : lengths) {
      for (int64_t t = 0; t < n; ++t) out.push_back(t);
    }
    return torch::tensor(out, torch::kInt64).to(first.device());
  }
  // Index of every token in the flattened [B,T] grid, [N].
  Tensor grid() const {
    std::vector<int64_t> out;
    out.reserve(static_cast<size_t>(offsets.back()));
    for (size_t row = 0; row < lengths.size(); ++row) {
      for (int64_t t = 0; t < lengths[row]; ++t)
        out.push_back(static_cast<int64_t>(row) * longest + t);
    }
    return torch::tensor(out, torch::kInt64).to(first.device());
  }
  // [B,1,1,T] bool, where a key is no padding; undefined when no row is padded.
  Tensor key_mask() const {
    if (even()) return {};
    Tensor n = torch::tensor(lengths, torch::kInt64).unsqueeze(1);
    return (at::arange(longest).unsqueeze(0) < n).unsqueeze(1).unsqueeze(1).to(first.device());
  }
};

struct Packed : HiddenState {
  Tensor x;  // [N,D]
  std::shared_ptr<const Rows> rows;
};

const Packed& packed(const Hidden& x) { return static_cast<const Packed&>(*x); }

std::shared_ptr<Packed> with(const Hidden& like, Tensor x) {
  auto out = std::make_shared<Packed>(packed(like));
  out->x = std::move(x);
  return out;
}

Tensor gated(const Tensor& x, const Tensor& gate) { return gate.defined() ? x * gate : x; }

// Several linear layers of one input side by side, [N, sum of their outputs]: one wide product
// instead of narrow ones, where no layer is factored.
Tensor joined_linear(const std::vector<const Linear*>& linears, const Tensor& x,
                     const std::vector<std::string>& names, const LayerGates& gates) {
  std::vector<Tensor> weights, biases, outputs;
  for (size_t i = 0; i < linears.size(); ++i) {
    const Linear& linear = *linears[i];
    if (linear.factored()) break;
    weights.push_back(linear.gated_weight(gates.weight(names[i])));
    biases.push_back(linear.bias);
  }
  if (weights.size() == linears.size()) return at::linear(x, at::cat(weights), at::cat(biases));
  for (size_t i = 0; i < linears.size(); ++i)
    outputs.push_back(linears[i]->forward(x, gates.weight(names[i]), gates.rank(names[i])));
  return at::cat(outputs, 1);
}

// The same as ragged_attention, over a padded grid, in any dtype, and with its maps: softmax's
// output [B,h,T,T] goes to `attention` when it is not null, zero where a query or key is padding.
Tensor composed_attention(const Tensor& query_key_value, const Rows& rows, int64_t heads, double p,
                          Tensor* attention) {
  const int64_t width = query_key_value.size(1) / (3 * heads), count = rows.count();
  Tensor grid, padded = query_key_value, key_mask = rows.key_mask();
  if (key_mask.defined()) {
    grid = rows.grid();
    padded = at::zeros({count * rows.longest, query_key_value.size(1)}, query_key_value.options())
                 .index_copy(0, grid, query_key_value);
  }
  Tensor qkv = padded.view({count, rows.longest, 3, heads, width}).permute({2, 0, 3, 1, 4});
  Tensor scores =
      at::matmul(qkv[0], qkv[1].transpose(-1, -2)) / std::sqrt(static_cast<double>(width));
  if (key_mask.defined()) scores = scores.masked_fill(key_mask.logical_not(), -1e30);
  Tensor probabilities = at::softmax(scores, -1);
  if (attention != nullptr) {
    *attention = key_mask.defined()
                     ? probabilities * key_mask.transpose(-1, -2).to(probabilities.dtype())
                     : probabilities;
  }
  Tensor context = at::matmul(dropout(probabilities, p), qkv[2]);  // [B,h,T,d]
  context = context.transpose(1, 2).reshape({count * rows.longest, heads * width});
  return key_mask.defined() ? context.index_select(0, grid) : context;
}

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
  auto device = model_.word.device();
  auto out = std::make_shared<Packed>();
  out->rows = std::make_shared<const Rows>(batch.lengths, device);
  Tensor x = at::embedding(model_.word, batch.ids.to(device)) +
             at::embedding(model_.position, out->rows->positions());
  if (model_.token_type.defined()) x = x + at::embedding(model_.token_type, batch.types.to(device));
  out->x = drop(gated_layer_norm(gated(x, gates.hidden), model_.embedding_norm, gates.hidden,
                                 model_.config.norm_eps));
  return out;
}

Hidden TrainBackend::attend(int layer, const Hidden& hidden, const LayerGates& gates,
                            Tensor* attention) {
  const Packed& in = packed(hidden);
  const Layer& w = model_.layers[layer];
  std::string prefix = absl::StrCat("layers.", layer, ".attention.");
  const int64_t heads = model_.config.head_count(layer);

  Tensor qkv = joined_linear({&w.query, &w.key, &w.value}, in.x,
                             {prefix + "query", prefix + "key", prefix + "value"}, gates);
  const double p = training_ ? attention_dropout_ : 0;
  const bool fits = qkv.is_cpu() && qkv.scalar_type() == at::kFloat && attention == nullptr;
  Tensor context = fits ? ragged_attention(qkv, in.rows->offsets, heads, p)
                        : composed_attention(qkv, *in.rows, heads, p, attention);
  if (gates.head.defined()) {
    context =
        (context.view({context.size(0), heads, -1}) * gates.head.view({1, heads, 1})).flatten(1);
  }
  Tensor y = drop(
      w.output.forward(context, gates.weight(prefix + "output"), gates.rank(prefix + "output")));
  y = gated(gated(y, gates.attention), gates.hidden);
  return with(hidden,
              gated_layer_norm(in.x + y, w.attention_norm, gates.hidden, model_.config.norm_eps));
}

Hidden TrainBackend::feed(int layer, const Hidden& hidden, const LayerGates& gates) {
  const Packed& in = packed(hidden);
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
  const Packed& in = packed(hidden);
  Tensor host = index.to(at::kCPU).contiguous();
  const int64_t* chosen = host.const_data_ptr<int64_t>();
  std::vector<int64_t> lengths, tokens;
  for (int64_t i = 0; i < host.size(0); ++i) {
    const int64_t begin = in.rows->offsets[chosen[i]], length = in.rows->lengths[chosen[i]];
    lengths.push_back(length);
    for (int64_t t = 0; t < length; ++t) tokens.push_back(begin + t);
  }
  auto out = std::make_shared<Packed>();
  out->x = in.x.index_select(0, torch::tensor(tokens, torch::kInt64).to(in.x.device()));
  out->rows = std::make_shared<const Rows>(std::move(lengths), in.x.device());
  return out;
}

Hidden TrainBackend::blend(const Hidden& layer, const Hidden& before, const Tensor& share) {
  const Packed& after = packed(layer);
  Tensor repeats = torch::tensor(after.rows->lengths, torch::kInt64).to(share.device());
  Tensor s = share.repeat_interleave(repeats).unsqueeze(1);
  return with(layer, after.x * (1 - s) + packed(before).x * s);
}

Tensor TrainBackend::cls(const Hidden& x) {
  return packed(x).x.index_select(0, packed(x).rows->first);
}

Tensor TrainBackend::tokens(const Hidden& x) { return packed(x).x; }

}  // namespace espalier
