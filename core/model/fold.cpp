#include "core/model/fold.h"

#include "absl/strings/str_cat.h"

namespace espalier {
namespace {

Tensor open_units(const Tensor& gate) { return gate.ne(0).nonzero().squeeze(1); }

// Columns of W_o (rows of q, k, v) that belong to these heads.
Tensor head_columns(const Tensor& heads, int64_t head_dim) {
  return (heads.unsqueeze(1) * head_dim + at::arange(head_dim).unsqueeze(0)).flatten();
}

void fold_weight_gate(const Gates& gates, const std::string& name, Linear& linear) {
  if (auto it = gates.weight.find(name); it != gates.weight.end() && !linear.factored()) {
    Tensor gate = it->second.detach();
    Tensor mask = gate.ne(0).to(linear.weight.dtype());
    linear.weight = linear.weight * gate;
    linear.mask = linear.mask.defined() ? linear.mask * mask : mask;
  }
  if (auto it = gates.rank.find(name); it != gates.rank.end() && linear.factored()) {
    Tensor kept = open_units(it->second.detach());
    linear.up = (linear.up * it->second.detach()).index_select(1, kept);
    linear.down = linear.down.index_select(0, kept);
  }
}

void describe(const std::string& name, const Linear& linear, ModelConfig& config) {
  if (linear.factored()) {
    config.linears[name] = {LinearShape::Kind::kFactored, static_cast<int>(linear.down.size(0))};
  } else if (linear.mask.defined()) {
    config.linears[name] = {LinearShape::Kind::kMasked, 0};
  } else {
    config.linears.erase(name);
  }
}

void fold_attention(Model& model, int i, const Gates& gates, bool on, FoldMap& map) {
  Layer& layer = model.layers[i];
  LayerShape& shape = model.config.layers[i];
  if (!layer.has_attention()) return;
  if (!on) {
    layer.query = layer.key = layer.value = layer.output = Linear();
    layer.attention_norm = Norm();
    shape.kept_heads.clear();
    map.heads[i] = at::empty({0}, at::kLong);
    return;
  }
  LayerGates g = layer_gates(gates, model.config, i);
  if (g.head.defined()) {
    Tensor kept = open_units(g.head);
    Tensor columns = head_columns(kept, shape.head_dim);
    layer.output.scale_inputs(g.head.repeat_interleave(shape.head_dim));
    for (Linear* linear : {&layer.query, &layer.key, &layer.value}) linear->keep_outputs(columns);
    layer.output.keep_inputs(columns);
    std::vector<int> ids;
    for (int64_t j = 0; j < kept.size(0); ++j)
      ids.push_back(shape.kept_heads[kept[j].item<int64_t>()]);
    shape.kept_heads = ids;
    map.heads[i] = kept;
  }
  if (g.attention.defined()) {
    layer.output.scale_outputs(g.attention.expand({layer.output.outputs()}));
  }
}

void fold_ffn(Model& model, int i, const Gates& gates, bool on, FoldMap& map) {
  Layer& layer = model.layers[i];
  LayerShape& shape = model.config.layers[i];
  if (!layer.has_ffn()) return;
  if (!on) {
    layer.up = layer.down = Linear();
    layer.ffn_norm = Norm();
    shape.neurons = 0;
    map.neurons[i] = at::empty({0}, at::kLong);
    return;
  }
  LayerGates g = layer_gates(gates, model.config, i);
  if (g.neuron.defined()) {
    Tensor kept = open_units(g.neuron);
    layer.down.scale_inputs(g.neuron);
    layer.up.keep_outputs(kept);
    layer.down.keep_inputs(kept);
    shape.neurons = static_cast<int>(kept.size(0));
    map.neurons[i] = kept;
  }
  if (g.ffn.defined()) layer.down.scale_outputs(g.ffn.expand({layer.down.outputs()}));
}

void fold_hidden(Model& model, const Tensor& gate, FoldMap& map) {
  Tensor kept = open_units(gate);
  auto keep = [&](Tensor& t, int64_t dim) {
    if (t.defined()) t = t.index_select(dim, kept);
  };
  // Behind a projection the stream begins; else it begins with the tables and single rows.
  if (model.projection.defined()) {
    model.projection.scale_outputs(gate);
    model.projection.keep_outputs(kept);
  } else {
    for (Tensor* t : {&model.word, &model.position, &model.token_type, &model.cls_token,
                      &model.distillation_token}) {
      if (t->defined()) *t = *t * gate;
      keep(*t, -1);
    }
    if (model.patch.defined()) {
      model.patch.scale_outputs(gate);
      model.patch.keep_outputs(kept);
    }
  }
  auto norm = [&](Norm& n) {
    if (!n.defined()) return;
    n.weight = (n.weight * gate).index_select(0, kept);
    n.bias = (n.bias * gate).index_select(0, kept);
  };
  if (!model.projection.defined()) norm(model.embedding_norm);
  norm(model.final_norm);
  for (Layer& layer : model.layers) {
    norm(layer.attention_norm);
    norm(layer.ffn_norm);
    if (layer.has_attention()) {
      for (Linear* linear : {&layer.query, &layer.key, &layer.value}) linear->keep_inputs(kept);
      layer.output.scale_outputs(gate);
      layer.output.keep_outputs(kept);
    }
    if (layer.has_ffn()) {
      layer.up.keep_inputs(kept);
      layer.down.scale_outputs(gate);
      layer.down.keep_outputs(kept);
    }
  }
  // The head reads the stream; without a pooler the classifier does.
  if (model.pooler.defined()) {
    model.pooler.keep_inputs(kept);
  } else if (model.classifier.defined()) {
    model.classifier.keep_inputs(kept);
  }
  if (model.lm_dense.defined()) {
    TORCH_CHECK(model.projection.defined(),
                "hidden gates would change the word table that a masked language model shares with "
                "its head; fold the model with another head");
    model.lm_dense.keep_inputs(kept);
  }
  for (HeadModule& head : model.heads) head.pooler.keep_inputs(kept);
  model.config.hidden = static_cast<int>(kept.size(0));
  map.hidden = kept;
}

}  // namespace

Model fold(const Model& original, const Gates& written, FoldMap* map_out) {
  torch::NoGradGuard no_grad;
  auto device = original.device();
  Model model = original.to(at::kCPU).clone();
  Gates gates = written.map([](const Tensor& t) { return t.detach().to(at::kCPU); });
  gates.seal(model.config);

  FoldMap map;
  map.heads.resize(model.layers.size());
  map.neurons.resize(model.layers.size());
  // Weight and rank gates first: they have the unsliced shapes.
  model.for_each_linear(
      [&](const std::string& name, Linear& linear) { fold_weight_gate(gates, name, linear); });
  for (int i = 0; i < static_cast<int>(model.layers.size()); ++i) {
    fold_attention(model, i, gates, gates.attention_on[i], map);
    fold_ffn(model, i, gates, gates.ffn_on[i], map);
  }
  if (gates.hidden.defined()) fold_hidden(model, gates.hidden, map);
  model.config.linears.clear();
  model.for_each_linear(
      [&](const std::string& name, Linear& linear) { describe(name, linear, model.config); });
  if (map_out != nullptr) *map_out = std::move(map);
  return model.clone().to(device);
}

}  // namespace espalier
