#include "core/model/cost.h"

#include <functional>

#include "core/spec/linear_slots.h"

namespace espalier {
namespace {

Tensor scalar(double value) { return at::full({}, value, at::kDouble); }

Tensor ones_or(const Tensor& gate, at::IntArrayRef shape) {
  return gate.defined() ? gate.to(at::kCPU, at::kDouble) : at::ones(shape, at::kDouble);
}

// What `counted` says of models that differ in their hidden dimension alone, and have no layers:
// a line.
struct Line {
  double at_zero = 0, slope = 0;

  Line() = default;
  Line(ModelConfig config, const std::function<double(const Counts&)>& counted, int tokens) {
    config.layers.clear();
    config.heads.clear();
    const double one = counted(count(config, tokens));
    const int hidden = config.hidden;
    config.hidden *= 2;
    slope = (counted(count(config, tokens)) - one) / hidden;
    at_zero = one - slope * hidden;
  }
  Tensor at(const Tensor& hidden) const { return at_zero + slope * hidden; }
};

class ParametersCost : public CostFunction {
 public:
  ParametersCost(const ModelConfig& config, bool all) : config_(config), all_(all) {
    if (all)
      rest_ = Line(
          config, [](const Counts& counts) { return counts.parameters; }, 1);
  }
  // q, k, v, o weights; q, k, v biases; o's bias and the norm.
  Tensor attention(int layer, const Tensor& heads, const Tensor& hidden) const override {
    const Tensor width = heads * config_.layers[layer].head_dim;
    return 4 * hidden * width + 3 * width + 3 * hidden;
  }
  Tensor ffn(int, const Tensor& neurons, const Tensor& hidden) const override {
    return 2 * hidden * neurons + neurons + 3 * hidden;
  }
  Tensor rest(const Tensor& hidden) const override { return rest_.at(hidden); }
  double single_weight() const override { return all_ ? 0 : 1; }

 private:
  ModelConfig config_;
  bool all_;
  Line rest_;
};

class BytesCost : public CostFunction {
 public:
  BytesCost(const ModelConfig& config, Precision precision)
      : config_(config),
        rest_(
            config, [](const Counts& counts) { return counts.parameters; }, 1) {
    if (precision == Precision::kBf16) weight_ = 2;
    if (precision == Precision::kInt8) {
      weight_ = 1;
      scale_ = kWhole;
    }
  }
  // Weights and, in int8, a scale for each output; biases and norms are whole. Of q, k, v and o.
  Tensor attention(int layer, const Tensor& heads, const Tensor& hidden) const override {
    const Tensor width = heads * config_.layers[layer].head_dim;
    return weight_ * 4 * hidden * width + scale_ * (3 * width + hidden) +
           kWhole * (3 * width + 3 * hidden) + kAttentionTensors * described();
  }
  Tensor ffn(int, const Tensor& neurons, const Tensor& hidden) const override {
    return weight_ * 2 * hidden * neurons + scale_ * (neurons + hidden) +
           kWhole * (neurons + 3 * hidden) + kFfnTensors * described();
  }
  Tensor rest(const Tensor& hidden) const override { return kWhole * rest_.at(hidden) + kHeader; }

 private:
  static constexpr double kWhole = 4;
  // Of the file's header: a line of JSON a tensor, and those beside the layers.
  static constexpr double kLine = 110, kHeader = 4096;
  static constexpr double kAttentionTensors = 10, kFfnTensors = 6;
  // An int8 weight has its scale beside it: about half as many tensors again.
  double described() const { return scale_ > 0 ? 1.5 * kLine : kLine; }

  ModelConfig config_;
  Line rest_;
  double weight_ = kWhole, scale_ = 0;
};

class MacsCost : public CostFunction {
 public:
  MacsCost(const ModelConfig& config, int tokens)
      : config_(config),
        tokens_(tokens),
        rest_(
            config, [](const Counts& counts) { return counts.macs; }, tokens) {}
  // Four products with weights, and the two of attention.
  Tensor attention(int layer, const Tensor& heads, const Tensor& hidden) const override {
    const Tensor width = heads * config_.layers[layer].head_dim;
    return tokens_ * width * (4 * hidden + 2 * tokens_);
  }
  Tensor ffn(int, const Tensor& neurons, const Tensor& hidden) const override {
    return 2 * tokens_ * neurons * hidden;
  }
  Tensor rest(const Tensor& hidden) const override { return rest_.at(hidden); }

 private:
  ModelConfig config_;
  double tokens_;
  Line rest_;
};

}  // namespace

std::shared_ptr<const CostFunction> parameters_cost(const ModelConfig& config, bool all) {
  return std::make_shared<ParametersCost>(config, all);
}

std::shared_ptr<const CostFunction> bytes_cost(const ModelConfig& config, Precision precision) {
  return std::make_shared<BytesCost>(config, precision);
}

std::shared_ptr<const CostFunction> macs_cost(const ModelConfig& config, int tokens) {
  return std::make_shared<MacsCost>(config, tokens);
}

Cost::Cost(const ModelConfig& config) : Cost(config, parameters_cost(config)) {}

Cost::Cost(const ModelConfig& config, std::shared_ptr<const CostFunction> function)
    : config_(config), function_(std::move(function)), dense_(actual({})) {}

Tensor Cost::expected(const Gates& open) const {
  const auto layers = static_cast<int64_t>(config_.layers.size());
  const Tensor hidden = ones_or(open.hidden, {config_.hidden}).sum();
  const Tensor attention = ones_or(open.attention, {layers}), ffn = ones_or(open.ffn, {layers});
  const auto units = [](const Tensor& fine, int64_t layer, int64_t count) {
    return fine.defined() ? ones_or(fine[layer].narrow(0, 0, count), {count}).sum()
                          : scalar(static_cast<double>(count));
  };
  Tensor total = function_->rest(hidden);
  for (int64_t i = 0; i < layers; ++i) {
    const auto layer = static_cast<int>(i);
    const LayerShape& shape = config_.layers[i];
    if (const auto heads = static_cast<int64_t>(shape.kept_heads.size()); heads > 0) {
      total =
          total + attention[i] * function_->attention(layer, units(open.head, i, heads), hidden);
    }
    if (shape.neurons > 0) {
      total = total + ffn[i] * function_->ffn(layer, units(open.neuron, i, shape.neurons), hidden);
    }
  }
  return total;
}

double Cost::actual(const Gates& gates) const {
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
  // Factors in place of a matrix, with the components that are open.
  for (const LinearSlot& slot : linear_slots(config_)) {
    if (slot.place != LinearSlot::Place::kLayer) continue;
    const auto gate = binary.rank.find(slot.name);
    const LinearShape shape = stored_shape(config_, slot.name);
    if (gate == binary.rank.end() && shape.kind != LinearShape::Kind::kFactored) continue;
    const double rank = gate != binary.rank.end() ? gate->second.sum().item<double>() : shape.rank;
    closed_weights += static_cast<double>(slot.inputs * slot.outputs) -
                      rank * static_cast<double>(slot.inputs + slot.outputs);
  }
  binary.attention = coarse(binary.attention_on);
  binary.ffn = coarse(binary.ffn_on);
  return expected(binary).item<double>() - closed_weights * single_weight();
}

double Cost::of_attention(int layer) const {
  const int heads = config_.head_count(layer);
  return heads == 0
             ? 0
             : function_->attention(layer, scalar(heads), scalar(config_.hidden)).item<double>();
}

double Cost::of_ffn(int layer) const {
  const int neurons = config_.layers[layer].neurons;
  return neurons == 0
             ? 0
             : function_->ffn(layer, scalar(neurons), scalar(config_.hidden)).item<double>();
}

double Cost::of_head(int layer) const {
  const double none = function_->attention(layer, scalar(0), scalar(config_.hidden)).item<double>();
  return (of_attention(layer) - none) / config_.head_count(layer);
}

double Cost::of_neuron(int layer) const {
  const double none = function_->ffn(layer, scalar(0), scalar(config_.hidden)).item<double>();
  return (of_ffn(layer) - none) / config_.layers[layer].neurons;
}

}  // namespace espalier
