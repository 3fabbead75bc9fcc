#include "core/model/cost.h"

namespace espalier {
namespace {

Tensor ones_or(const Tensor& gate, at::IntArrayRef shape) {
  return gate.defined() ? gate.to(at::kCPU, at::kDouble) : at::ones(shape, at::kDouble);
}

}  // namespace

Tensor Cost::expected_parameters(const Gates& open) const {
  auto layers = static_cast<int64_t>(config_.layers.size());
  Tensor hidden = ones_or(open.hidden, {config_.hidden}).sum();
  Tensor attention = ones_or(open.attention, {layers}), ffn = ones_or(open.ffn, {layers});
  Tensor total = at::zeros({}, at::kDouble);
  for (int64_t i = 0; i < layers; ++i) {
    const LayerShape& shape = config_.layers[i];
    auto h = static_cast<int64_t>(shape.kept_heads.size());
    if (h > 0) {
      Tensor heads = open.head.defined() ? ones_or(open.head[i].narrow(0, 0, h), {h})
                                         : at::ones({h}, at::kDouble);
      Tensor width = heads.sum() * shape.head_dim;
      // q, k, v, o weights; q, k, v biases; o's bias and the norm.
      total = total + attention[i] * (4 * hidden * width + 3 * width + 3 * hidden);
    }
    if (shape.neurons > 0) {
      Tensor neurons = open.neuron.defined()
                           ? ones_or(open.neuron[i].narrow(0, 0, shape.neurons), {shape.neurons})
                           : at::ones({shape.neurons}, at::kDouble);
      Tensor width = neurons.sum();
      total = total + ffn[i] * (2 * hidden * width + width + 3 * hidden);
    }
  }
  return total;
}

double Cost::actual_parameters(const Gates& gates) const {
  torch::NoGradGuard no_grad;
  Gates binary = gates.map([](const Tensor& t) { return t.detach().ne(0).to(at::kDouble); });
  binary.seal(config_);
  auto coarse = [&](const std::vector<bool>& on) {
    Tensor out = at::zeros({static_cast<int64_t>(on.size())}, at::kDouble);
    for (size_t i = 0; i < on.size(); ++i) out[static_cast<int64_t>(i)] = on[i] ? 1.0 : 0.0;
    return out;
  };
  double closed_weights = 0;
  for (const auto& [name, gate] : binary.weight) {
    closed_weights += static_cast<double>(gate.numel()) - gate.sum().item<double>();
  }
  binary.attention = coarse(binary.attention_on);
  binary.ffn = coarse(binary.ffn_on);
  return expected_parameters(binary).item<double>() - closed_weights;
}

}  // namespace espalier
