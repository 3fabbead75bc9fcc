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

}  // namespace

TrainBackend::TrainBackend(const Model& model, double dropout)
    : model_(model),
      hidden_dropout_(dropout < 0 ? model.config.hidden_dropout : dropout),
      attention_dropout_(dropout < 0 ? model.config.attention_dropout : dropout),
      head_dropout_(dropout < 0 ? model.config.head_dropout.value_or(hidden_dropout_) : dropout) {}

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

Hidden TrainBackend::attend(int layer, const Hidden& hidden, const LayerGates& gates,
                            Tensor* attention) {
  const PackedRows& in = packed(hidden);
  const Layer& w = model_.layers[layer];
  std::string prefix = absl::StrCat("layers.", layer, ".attention.");
  const int64_t heads = model_.config.head_count(layer);

  Tensor qkv = joined_linear({&w.query, &w.key, &w.value}, read(in.x, w.attention_norm, gates),
                             {prefix + "query", prefix + "key", prefix + "value"}, gates);
  Tensor context = attend_rows(qkv, *in.rows, heads, relative_bias(model_, layer, in.rows->longest),
                               training_ ? attention_dropout_ : 0, attention);
  if (gates.head.defined()) {
    context = context.view({context.size(0), heads, -1}) * gates.head.view({1, heads, 1});
    context = context.flatten(1);
  }
  Tensor y =
      w.output.forward(context, gates.weight(prefix + "output"), gates.rank(prefix + "output"));
  return with(hidden, write(in.x, y, gates.attention, w.attention_norm, gates));
}

Hidden TrainBackend::feed(int layer, const Hidden& hidden, const LayerGates& gates) {
  const PackedRows& in = packed(hidden);
  const Layer& w = model_.layers[layer];
  std::string prefix = absl::StrCat("layers.", layer, ".ffn.");
  Tensor x = read(in.x, w.ffn_norm, gates), y;
  const std::string& activation = model_.config.activation;
  const char* gelu = gelu_form(activation);
  if (gelu != nullptr && !gates.neuron.defined() && !w.up.factored() && !w.down.factored()) {
    y = feed_forward(x, w.up.gated_weight(gates.weight(prefix + "up")), w.up.bias,
                     w.down.gated_weight(gates.weight(prefix + "down")), w.down.bias, gelu);
  } else {
    Tensor inner = activate(
        activation, w.up.forward(x, gates.weight(prefix + "up"), gates.rank(prefix + "up")));
    y = w.down.forward(gated(inner, gates.neuron), gates.weight(prefix + "down"),
                       gates.rank(prefix + "down"));
  }
  return with(hidden, write(in.x, y, gates.ffn, w.ffn_norm, gates));
}

}  // namespace espalier
