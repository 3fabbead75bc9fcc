#include "core/prune/score.h"

#include "absl/strings/str_cat.h"

namespace espalier {
namespace {

constexpr const char* kScopes[] = {"weight", "structure", "sublayer", "layer"};

Tensor rows_of_heads(const Layer& layer, int64_t heads) {
  std::vector<Tensor> parts;
  for (const Linear* linear : {&layer.query, &layer.key, &layer.value}) {
    parts.push_back(linear->effective_weight().reshape({heads, -1}));
    if (linear->bias.defined()) parts.push_back(linear->bias.view({heads, -1}));
  }
  parts.push_back(layer.output.effective_weight().t().reshape({heads, -1}));
  return at::cat(parts, 1);
}

Tensor rows_of_neurons(const Layer& layer) {
  std::vector<Tensor> parts = {layer.up.effective_weight()};
  if (layer.up.bias.defined()) parts.push_back(layer.up.bias.unsqueeze(1));
  parts.push_back(layer.down.effective_weight().t());
  return at::cat(parts, 1);
}

}  // namespace

void read_scope(OptionReader& reader, Scope& scope) {
  std::string name = kScopes[static_cast<int>(scope)];
  reader.string(
      "scope", name, {std::begin(kScopes), std::end(kScopes)},
      "What is pruned: single weights (shapes stay), heads and neurons (structure), whole "
      "attention and FFN sub-layers, or whole layers.");
  for (size_t i = 0; i < std::size(kScopes); ++i) {
    if (name == kScopes[i]) scope = static_cast<Scope>(i);
  }
}

std::string Unit::key() const {
  switch (kind) {
    case Kind::kWeight:
      return name;
    case Kind::kHead:
      return absl::StrCat("head.", layer);
    case Kind::kNeuron:
      return absl::StrCat("neuron.", layer);
    case Kind::kAttention:
      return absl::StrCat("attention.", layer);
    case Kind::kFfn:
      return absl::StrCat("ffn.", layer);
    case Kind::kLayer:
      break;
  }
  return absl::StrCat("layer.", layer);
}

std::vector<Unit> units_of(const Model& model, Scope scope, const Cost& cost) {
  std::vector<Unit> units;
  if (scope == Scope::kWeight) {
    const_cast<Model&>(model).for_each_linear([&](const std::string& name, Linear& linear) {
      if (!linear.factored())
        units.push_back(
            {Unit::Kind::kWeight, name, 0, linear.weight.numel(), cost.single_weight()});
    });
    return units;
  }
  const ModelConfig& config = model.config;
  for (int i = 0; i < static_cast<int>(config.layers.size()); ++i) {
    const int heads = config.head_count(i), neurons = config.layers[i].neurons;
    switch (scope) {
      case Scope::kStructure:
        if (heads > 0) units.push_back({Unit::Kind::kHead, "", i, heads, cost.of_head(i)});
        if (neurons > 0) units.push_back({Unit::Kind::kNeuron, "", i, neurons, cost.of_neuron(i)});
        break;
      case Scope::kSublayer:
        if (heads > 0) units.push_back({Unit::Kind::kAttention, "", i, 1, cost.of_attention(i)});
        if (neurons > 0) units.push_back({Unit::Kind::kFfn, "", i, 1, cost.of_ffn(i)});
        break;
      default:
        if (heads + neurons > 0)
          units.push_back({Unit::Kind::kLayer, "", i, 1, cost.of_attention(i) + cost.of_ffn(i)});
    }
  }
  return units;
}

Tensor unit_weights(const Model& model, const Unit& unit) {
  torch::NoGradGuard no_grad;
  if (unit.kind == Unit::Kind::kWeight) {
    Tensor found;
    const_cast<Model&>(model).for_each_linear([&](const std::string& name, Linear& linear) {
      if (name == unit.name) found = linear.weight.detach();
    });
    return found;
  }
  const Layer& layer = model.layers[unit.layer];
  const auto one = [](const Tensor& rows) { return rows.reshape({1, -1}); };
  switch (unit.kind) {
    case Unit::Kind::kHead:
      return rows_of_heads(layer, unit.count);
    case Unit::Kind::kNeuron:
      return rows_of_neurons(layer);
    case Unit::Kind::kAttention:
      return one(rows_of_heads(layer, model.config.head_count(unit.layer)));
    case Unit::Kind::kFfn:
      return one(rows_of_neurons(layer));
    default:
      break;
  }
  std::vector<Tensor> parts;
  if (layer.has_attention())
    parts.push_back(one(rows_of_heads(layer, model.config.head_count(unit.layer))));
  if (layer.has_ffn()) parts.push_back(one(rows_of_neurons(layer)));
  return at::cat(parts, 1);
}

}  // namespace espalier
