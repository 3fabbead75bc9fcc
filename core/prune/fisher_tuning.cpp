#include "core/prune/fisher_tuning.h"

#include <optional>

#include "core/model/train_backend.h"

namespace espalier {
namespace {

// A sub-layer in the walk.
struct SubLayer {
  int layer;
  bool ffn;
  bool firsts;  // only the rows' first tokens go on from it
};

// Two streams of the same batches, from sub-layer to sub-layer.
class Tuning {
 public:
  Tuning(const Model& model, std::span<const Batch> sample, const Gates& parent, Gates gates)
      : model_(model), backend_(model), parent_(parent), gates_(std::move(gates)) {
    backend_.watch([this](int, bool, const Tensor& inputs) { seen_ = inputs; });
    for (const Batch& batch : sample) shown_.push_back(backend_.embed(batch, {}));
    own_ = shown_;
  }

  Gates run(double damp, double limit) {
    const ModelConfig& config = model_.config;
    const int layers = static_cast<int>(config.layers.size());
    const bool reads_firsts =
        config.head == HeadKind::kSequence && config.pooling == Pooling::kFirst;
    for (int layer = 0; layer < layers; ++layer) {
      for (const bool ffn : {false, true})
        tune({layer, ffn, reads_firsts && !ffn && layer + 1 == layers}, damp, limit);
    }
    return std::move(gates_);
  }

 private:
  bool acts(const SubLayer& at, const Gates& gates) const {
    return (at.ffn ? gates.ffn_on : gates.attention_on)[at.layer];
  }

  Hidden pass(const SubLayer& at, const Hidden& x, const Gates& gates) {
    const LayerGates own = layer_gates(gates, model_.config, at.layer);
    if (at.ffn) return acts(at, gates) ? backend_.feed(at.layer, x, own) : x;
    if (at.firsts)
      return acts(at, gates) ? backend_.attend_firsts(at.layer, x, own) : backend_.firsts(x);
    return acts(at, gates) ? backend_.attend(at.layer, x, own, nullptr) : x;
  }

  // The rows of the stream that a sub-layer writes to.
  Tensor residual(const SubLayer& at, const Hidden& x) {
    return at.firsts ? backend_.cls(x) : backend_.tokens(x);
  }

  void tune(const SubLayer& at, double damp, double limit) {
    if (!acts(at, gates_) || !acts(at, parent_)) {
      for (Hidden& x : shown_) x = pass(at, x, parent_);
      for (Hidden& x : own_) x = pass(at, x, gates_);
      return;
    }
    const Layer& layer = model_.layers[at.layer];
    const Tensor weight = (at.ffn ? layer.down : layer.output).effective_weight();
    const int64_t width = at.ffn ? 1 : model_.config.layers[at.layer].head_dim;
    const int64_t units = weight.size(1) / width;
    const Tensor gate = (at.ffn ? gates_.neuron : gates_.head)[at.layer].narrow(0, 0, units);
    const Tensor open = gate.nonzero().squeeze(1);
    const Tensor columns =
        (open.unsqueeze(1) * width + at::arange(width, open.options()).unsqueeze(0)).flatten();
    ContributionFit fit(weight.index_select(1, columns), open.size(0));
    for (size_t i = 0; i < own_.size(); ++i) {
      // Both add the same bias, which so cancels.
      Tensor wanted = residual(at, shown_[i]) - residual(at, own_[i]);
      shown_[i] = pass(at, shown_[i], parent_);
      wanted = wanted + at::matmul(seen_, weight.t());
      pass(at, own_[i], gates_);
      fit.add(seen_.index_select(1, columns), wanted);
    }
    const Tensor factors = fit.solve(damp);
    // No number is not within the limit either.
    if (factors.abs().le(limit).all().item<bool>())
      gate.index_copy_(0, open, gate.index_select(0, open) * factors.to(gate.scalar_type()));
    for (Hidden& x : own_) x = pass(at, x, gates_);
  }

  const Model& model_;
  TrainBackend backend_;
  const Gates& parent_;
  Gates gates_;
  std::vector<Hidden> shown_, own_;  // under the parent and under the gates, one a batch
  Tensor seen_;                      // what the last product multiplied
};

}  // namespace

ContributionFit::ContributionFit(const Tensor& weight, int64_t units)
    : units_(units), weight_(weight.detach().to(at::kDouble)) {
  const int64_t inputs = weight_.size(1);
  squares_ = at::zeros({inputs, inputs}, weight_.options());
  right_ = at::zeros({inputs}, weight_.options());
}

void ContributionFit::add(const Tensor& inputs, const Tensor& wanted) {
  const Tensor x = inputs.to(at::kDouble), y = wanted.to(at::kDouble);
  squares_.addmm_(x.t(), x);
  right_ += (x * at::matmul(y, weight_)).sum(0);
}

// Sums over each unit's inputs, [K] -> [units]; of both sides, [K,K] -> [units,units].
Tensor ContributionFit::by_unit(const Tensor& sums) const {
  const int64_t width = sums.size(0) / units_;
  if (sums.dim() == 1) return sums.view({units_, width}).sum(1);
  return sums.view({units_, width, units_, width}).sum(at::IntArrayRef{1, 3});
}

Tensor ContributionFit::solve(double damp) const {
  const Tensor gram = by_unit(squares_ * at::matmul(weight_.t(), weight_));
  const Tensor damped = gram + damp * damp * at::eye(units_, gram.options());
  const auto [solution, info] = at::linalg_solve_ex(damped, by_unit(right_) - gram.sum(1));
  // Singular, as far as numbers of this size can tell: no solution.
  if (info.item<int>() != 0) return at::full_like(solution, std::nan(""));
  return 1 + solution;
}

Gates tuned(const Model& model, std::span<const Batch> sample, const Gates& parent, Gates gates,
            double damp, double limit) {
  torch::NoGradGuard no_grad;
  gates = gates.map([](const Tensor& t) { return t.clone(); });  // values are changed in place
  return Tuning(model, sample, parent, std::move(gates)).run(damp, limit);
}

}  // namespace espalier
