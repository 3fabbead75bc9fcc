#include "core/model/train_backend.h"

#include "absl/strings/str_cat.h"
#include "core/kernels/dropout.h"
#include "core/kernels/feed_forward.h"
#include "core/model/activation.h"
#include "core/model/attention.h"
#include "core/model/embedding.h"

namespace espalier {
namespace {

Tensor gated(const Tensor& x, const Tensor& gate) { return gate.defined() ? x * gate : x; }

std::string sublayer(int layer, const char* name) {
  return absl::StrCat("layers.", layer, ".", name, ".");
}

// Adds what a sub-layer reads of a linear layer with this name.
void add_reads(std::vector<Tensor>& reads, const Linear& linear, const LayerGates& gates,
               const std::string& name) {
  reads.insert(reads.end(), {linear.weight, linear.bias, linear.down, linear.up, gates.weight(name),
                             gates.rank(name)});
}

}  // namespace

TrainBackend::TrainBackend(const Model& model, double dropout)
    : model_(model),
      hidden_dropout_(dropout < 0 ? model.config.hidden_dropout : dropout),
      attention_dropout_(dropout < 0 ? model.config.attention_dropout : dropout),
      head_dropout_(dropout < 0 ? model.config.head_dropout.value_or(hidden_dropout_) : dropout) {}

void TrainBackend::set_precision(Precision precision) {
  precision_ = MatmulPrecision(precision);
  model_.for_each([this](const std::string&, const Tensor& tensor) { precision_.know(tensor); });
}

Tensor TrainBackend::drop(const Tensor& x) const {
  return training_ ? dropout(x, hidden_dropout_) : x;
}

Hidden TrainBackend::embed(const Batch& batch, const LayerGates& gates) {
  return embedded(batch, gates.hidden, [this](const Tensor& x) { return drop(x); });
}

Tensor TrainBackend::normed(const Tensor& x, const Norm& norm, const LayerGates& gates) const {
  return gated_layer_norm(x, norm, gates.hidden, model_.config.norm_eps);
}

Tensor TrainBackend::read(const Tensor& x, const Norm& norm, const LayerGates& gates) const {
  return model_.config.norm_first ? normed(x, norm, gates) : x;
}

Tensor TrainBackend::write(const Tensor& x, const Tensor& y, const Tensor& gate, const Norm& norm,
                           const LayerGates& gates) const {
  Tensor sum = x + gated(gated(drop(y), gate), gates.hidden);
  return model_.config.norm_first ? sum : normed(sum, norm, gates);
}

std::vector<Tensor> TrainBackend::run(const Part& part, const Tensor& x,
                                      const std::vector<Tensor>& reads) const {
  return checkpointing_ ? recomputed(x, reads, part) : part(x);
}

// Where no layer is factored, one wide product instead of three narrow ones. [N, 3 D'].
Tensor TrainBackend::query_key_value(int layer, const Tensor& x, const LayerGates& gates) const {
  const Layer& w = model_.layers[layer];
  const std::string prefix = sublayer(layer, "attention");
  const std::pair<const Linear&, std::string> linears[] = {
      {w.query, prefix + "query"}, {w.key, prefix + "key"}, {w.value, prefix + "value"}};
  std::vector<Tensor> weights, biases, outputs;
  for (const auto& [linear, name] : linears) {
    if (linear.factored()) break;
    weights.push_back(precision_.weight(linear.gated_weight(gates.weight(name))));
    biases.push_back(precision_.weight(linear.bias));
  }
  if (weights.size() == std::size(linears)) {
    return at::linear(precision_.operand(x), at::cat(weights), at::cat(biases)).to(x.scalar_type());
  }
  for (const auto& [linear, name] : linears)
    outputs.push_back(linear.forward(x, gates.weight(name), gates.rank(name), precision_));
  return at::cat(outputs, 1);
}

Tensor TrainBackend::attended(int layer, const Tensor& x, const TokenRows& rows, const Tensor& bias,
                              const LayerGates& gates, AttentionMaps* maps, Queries queries) const {
  const Layer& w = model_.layers[layer];
  const std::string output = sublayer(layer, "attention") + "output";
  const int64_t heads = model_.config.head_count(layer);
  Tensor qkv = query_key_value(layer, read(x, w.attention_norm, gates), gates);
  Tensor context = attend_rows(qkv, rows, heads, bias, training_ ? attention_dropout_ : 0, maps,
                               precision_, queries);
  if (gates.head.defined()) {
    context = context.view({context.size(0), heads, -1}) * gates.head.view({1, heads, 1});
    context = context.flatten(1);
  }
  if (watch_) watch_(layer, /*ffn=*/false, context);
  Tensor y = w.output.forward(context, gates.weight(output), gates.rank(output), precision_);
  const Tensor stream = queries == Queries::kFirst ? x.index_select(0, rows.first) : x;
  return write(stream, y, gates.attention, w.attention_norm, gates);
}

std::vector<Tensor> TrainBackend::attend_once(int layer, const PackedRows& in,
                                              const LayerGates& gates, RecordAttention maps,
                                              Queries queries) const {
  const Layer& w = model_.layers[layer];
  const Tensor bias = kept_bias(model_, layer, in.bias);
  auto part = [this, layer, gates, bias, maps, queries, rows = in.rows](const Tensor& x) {
    const bool wanted = maps != RecordAttention::kNone;
    AttentionMaps kept{maps, {}};
    std::vector<Tensor> out = {
        attended(layer, x, *rows, bias, gates, wanted ? &kept : nullptr, queries)};
    if (wanted) out.push_back(kept.values);
    return out;
  };
  std::vector<Tensor> reads = {bias,
                               gates.hidden,
                               gates.attention,
                               gates.head,
                               w.attention_norm.weight,
                               w.attention_norm.bias};
  const std::string prefix = sublayer(layer, "attention");
  add_reads(reads, w.query, gates, prefix + "query");
  add_reads(reads, w.key, gates, prefix + "key");
  add_reads(reads, w.value, gates, prefix + "value");
  add_reads(reads, w.output, gates, prefix + "output");
  return run(part, in.x, reads);
}

Hidden TrainBackend::attend(int layer, const Hidden& hidden, const LayerGates& gates,
                            AttentionMaps* maps) {
  const RecordAttention kind = maps == nullptr ? RecordAttention::kNone : maps->kind;
  const std::vector<Tensor> out = attend_once(layer, packed(hidden), gates, kind, Queries::kEvery);
  if (maps != nullptr) maps->values = out[1];
  return with(hidden, out[0]);
}

Hidden TrainBackend::attend_firsts(int layer, const Hidden& hidden, const LayerGates& gates) {
  return with_firsts(
      hidden,
      attend_once(layer, packed(hidden), gates, RecordAttention::kNone, Queries::kFirst).front());
}

Tensor TrainBackend::fed(int layer, const Tensor& x, const LayerGates& gates) const {
  const Layer& w = model_.layers[layer];
  const std::string up = sublayer(layer, "ffn") + "up", down = sublayer(layer, "ffn") + "down";
  Tensor in = read(x, w.ffn_norm, gates), y;
  const std::string& activation = model_.config.activation;
  const char* gelu = gelu_form(activation);
  const bool fused = gelu != nullptr && !gates.neuron.defined() && !watch_ && !w.up.factored() &&
                     !w.down.factored();
  if (fused) {
    auto weight = [&](const Linear& linear, const std::string& name) {
      return precision_.weight(linear.gated_weight(gates.weight(name)));
    };
    y = feed_forward(precision_.operand(in), weight(w.up, up), precision_.weight(w.up.bias),
                     weight(w.down, down), precision_.weight(w.down.bias), gelu)
            .to(x.scalar_type());
  } else {
    Tensor inner =
        activate(activation, w.up.forward(in, gates.weight(up), gates.rank(up), precision_));
    inner = gated(inner, gates.neuron);
    if (watch_) watch_(layer, /*ffn=*/true, inner);
    y = w.down.forward(inner, gates.weight(down), gates.rank(down), precision_);
  }
  return write(x, y, gates.ffn, w.ffn_norm, gates);
}

Hidden TrainBackend::feed(int layer, const Hidden& hidden, const LayerGates& gates) {
  const Layer& w = model_.layers[layer];
  auto part = [this, layer, gates](const Tensor& x) {
    return std::vector<Tensor>{fed(layer, x, gates)};
  };
  std::vector<Tensor> reads = {gates.hidden, gates.ffn, gates.neuron, w.ffn_norm.weight,
                               w.ffn_norm.bias};
  const std::string prefix = sublayer(layer, "ffn");
  add_reads(reads, w.up, gates, prefix + "up");
  add_reads(reads, w.down, gates, prefix + "down");
  return with(hidden, run(part, packed(hidden).x, reads).front());
}

}  // namespace espalier
