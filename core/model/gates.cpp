#include "core/model/gates.h"

namespace espalier {
namespace {

// Which layers' sub-layers act: present, coarse gate not 0, some fine gate not 0.
std::vector<bool> open_sublayers(const Tensor& coarse, const Tensor& fine,
                                 const std::vector<int>& units) {
  auto layers = static_cast<int64_t>(units.size());
  Tensor c = coarse.defined() ? coarse.detach().to(at::kCPU, at::kDouble) : Tensor();
  Tensor f = fine.defined() ? fine.detach().to(at::kCPU, at::kDouble) : Tensor();
  std::vector<bool> on(units.size());
  for (int64_t i = 0; i < layers; ++i) {
    bool open = units[i] > 0;
    if (open && c.defined()) open = c[i].item<double>() != 0;
    if (open && f.defined()) open = f[i].narrow(0, 0, units[i]).ne(0).any().item<bool>();
    on[i] = open;
  }
  return on;
}

Tensor lookup(const std::map<std::string, Tensor>& map, const std::string& name) {
  auto it = map.find(name);
  return it == map.end() ? Tensor() : it->second;
}

}  // namespace

void Gates::seal(const ModelConfig& config) {
  std::vector<int> heads, neurons;
  for (const LayerShape& layer : config.layers) {
    heads.push_back(static_cast<int>(layer.kept_heads.size()));
    neurons.push_back(layer.neurons);
  }
  attention_on = open_sublayers(attention, head, heads);
  ffn_on = open_sublayers(ffn, neuron, neurons);
}

std::vector<Tensor> Gates::tensors() const {
  std::vector<Tensor> out;
  for (const Tensor& t : {hidden, attention, ffn, head, neuron}) {
    if (t.defined()) out.push_back(t);
  }
  for (const auto* map : {&weight, &rank}) {
    for (const auto& [name, t] : *map) out.push_back(t);
  }
  return out;
}

bool Gates::empty() const { return tensors().empty(); }

Gates Gates::map(const std::function<Tensor(const Tensor&)>& change) const {
  Gates out = *this;
  for (Tensor* t : {&out.hidden, &out.attention, &out.ffn, &out.head, &out.neuron}) {
    if (t->defined()) *t = change(*t);
  }
  for (auto* map : {&out.weight, &out.rank}) {
    for (auto& [name, t] : *map) t = change(t);
  }
  return out;
}

Tensor LayerGates::weight(const std::string& linear) const {
  return all == nullptr ? Tensor() : lookup(all->weight, linear);
}
Tensor LayerGates::rank(const std::string& linear) const {
  return all == nullptr ? Tensor() : lookup(all->rank, linear);
}

LayerGates layer_gates(const Gates& gates, const ModelConfig& config, int layer) {
  LayerGates out;
  out.hidden = gates.hidden;
  if (gates.attention.defined()) out.attention = gates.attention[layer];
  if (gates.ffn.defined()) out.ffn = gates.ffn[layer];
  if (gates.head.defined()) out.head = gates.head[layer].narrow(0, 0, config.head_count(layer));
  if (gates.neuron.defined())
    out.neuron = gates.neuron[layer].narrow(0, 0, config.layers[layer].neurons);
  if (!gates.weight.empty() || !gates.rank.empty()) out.all = &gates;
  return out;
}

}  // namespace espalier
