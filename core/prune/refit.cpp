#include "core/prune/refit.h"

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"
#include "core/model/train_backend.h"
#include "core/prune/input_moments.h"
#include "core/prune/obs.h"

namespace espalier {
namespace {

// A model on its way up its layers, with all batches side by side.
class Ascent {
 public:
  Ascent(const Model& model, Gates gates, std::span<const Batch> batches)
      : model_(model), gates_(std::move(gates)), backend_(model) {
    gates_.seal(model.config);
    backend_.watch([this](int, bool, const Tensor& inputs) { inputs_ = inputs; });
    LayerGates embedding;
    embedding.hidden = gates_.hidden;
    for (const Batch& batch : batches) states_.push_back(backend_.embed(batch, embedding));
  }
  Ascent(const Ascent&) = delete;
  Ascent& operator=(const Ascent&) = delete;

  bool acts(int layer, bool ffn) const {
    const Layer& w = model_.layers[layer];
    return ffn ? w.has_ffn() && gates_.ffn_on[layer]
               : w.has_attention() && gates_.attention_on[layer];
  }
  LayerGates gates(int layer) const { return layer_gates(gates_, model_.config, layer); }
  // [N,D], before the sub-layer that advance() would go through.
  Tensor stream(size_t batch) { return backend_.tokens(states_[batch]); }
  // What the sub-layer's output matrix multiplies.
  Tensor inputs(size_t batch, int layer, bool ffn) {
    through(batch, layer, ffn);
    return inputs_;
  }
  // The same, and the batch is behind the sub-layer.
  Tensor advance(size_t batch, int layer, bool ffn) {
    states_[batch] = through(batch, layer, ffn);
    return inputs_;
  }

 private:
  Hidden through(size_t batch, int layer, bool ffn) {
    const Hidden& x = states_[batch];
    return ffn ? backend_.feed(layer, x, gates(layer))
               : backend_.attend(layer, x, gates(layer), nullptr);
  }

  const Model& model_;
  Gates gates_;
  TrainBackend backend_;
  std::vector<Hidden> states_;
  Tensor inputs_;
};

Linear& output_of(Layer& layer, bool ffn) { return ffn ? layer.down : layer.output; }

std::string name_of(int layer, bool ffn) {
  return absl::StrCat("layers.", layer, ffn ? ".ffn.down" : ".attention.output");
}

void check_refit(const Ascent& at, Model& model, const Gates& gates, const Model& reference) {
  const auto refuse = [](const std::string& why) {
    throw StatusError(absl::InvalidArgumentError(absl::StrCat("refit ", why)));
  };
  const ModelConfig &own = model.config, &other = reference.config;
  if (own.hidden != other.hidden || own.layers.size() != other.layers.size()) {
    refuse(absl::StrCat("was given a model of ", own.layers.size(), " layers and ", own.hidden,
                        " hidden dimensions and a reference of ", other.layers.size(), " and ",
                        other.hidden, "; the model that the gates were put on would work"));
  }
  for (int i = 0; i < static_cast<int>(model.layers.size()); ++i) {
    for (const bool ffn : {false, true}) {
      if (!at.acts(i, ffn)) continue;
      const std::string name = name_of(i, ffn);
      const Linear& linear = output_of(model.layers[i], ffn);
      const Layer& teaching = reference.layers[i];
      if (linear.factored()) {
        refuse(absl::StrCat("solves whole matrices, and ", name, " is stored as two factors"));
      }
      if (linear.mask.defined() || gates.weight.contains(name)) {
        refuse(absl::StrCat("would fill the single weights of ", name,
                            " that are masked; it is for heads and neurons"));
      }
      if (!(ffn ? teaching.has_ffn() : teaching.has_attention()))
        refuse(absl::StrCat("needs a reference that has ", name));
    }
  }
}

// By output: what the gates multiply W x + b with. [D].
Tensor writing_scale(const LayerGates& gates, bool ffn, const Tensor& like) {
  const Tensor& coarse = ffn ? gates.ffn : gates.attention;
  Tensor out = at::ones({like.size(1)}, like.options());
  if (coarse.defined()) out = out * coarse;
  if (gates.hidden.defined()) out = out * gates.hidden;
  return out;
}

// Inputs that may be used: of open units.
Tensor open_inputs(const LayerGates& gates, bool ffn, int64_t inputs) {
  const Tensor& fine = ffn ? gates.neuron : gates.head;
  if (!fine.defined()) return at::arange(inputs);
  const Tensor open = fine.detach().to(at::kCPU).ne(0);
  return open.repeat_interleave(inputs / open.size(0)).nonzero().squeeze(1);
}

// Sums over rows: moments of the inputs, and with them of what is missing, t - (W x + b).
struct Equations {
  Moments inputs;
  Tensor cross, missing;  // [n,D], [D]
  void add(const Tensor& x, const Tensor& gap, const Tensor& weights) {
    inputs.add(x, weights);
    const Tensor t =
        weights.defined() ? gap.to(at::kDouble) * weights.unsqueeze(1) : gap.to(at::kDouble);
    const Tensor products = at::matmul(x.to(at::kDouble).t(), t);
    cross = cross.defined() ? cross + products : products;
    missing = missing.defined() ? missing + t.sum(0) : t.sum(0);
  }
};

// Changes the weight's columns `open`, and the bias.
void solve(const Equations& sums, const Tensor& open, double damp, Linear& linear) {
  const auto on_host = [](const Tensor& t) { return t.to(at::kCPU); };
  const bool free_bias = linear.bias.defined();
  Tensor products = on_host(free_bias ? sums.inputs.centred() : sums.inputs.products);
  Tensor cross = on_host(sums.cross);
  const Tensor mean = on_host(sums.inputs.mean()).index_select(0, open);
  const Tensor missing = on_host(sums.missing);
  if (free_bias) cross = cross - on_host(sums.inputs.mean()).outer(missing);
  products = damped(products.index_select(0, open).index_select(1, open), damp);
  const Tensor change =
      at::cholesky_solve(cross.index_select(0, open), at::linalg_cholesky(products));  // [k,D]
  linear.weight.index_add_(1, open.to(linear.weight.device()), change.t().to(linear.weight));
  if (!free_bias) return;
  const Tensor shift = missing / sums.inputs.total - at::mv(change.t(), mean);
  linear.bias.add_(shift.to(linear.bias));
}

}  // namespace

void refit_outputs(Model& model, const Gates& gates, const Model& reference,
                   std::span<const Batch> batches, double damp) {
  torch::NoGradGuard no_grad;
  Ascent student(model, gates, batches), teacher(reference, {}, batches);
  check_refit(student, model, gates, reference);
  const double first = first_token_weight(batches);
  for (int i = 0; i < static_cast<int>(model.layers.size()); ++i) {
    for (const bool ffn : {false, true}) {
      const bool acts = student.acts(i, ffn), taught = teacher.acts(i, ffn);
      Linear& linear = output_of(model.layers[i], ffn);
      const Layer& teaching = reference.layers[i];
      const LayerGates own = student.gates(i);
      Equations sums;
      for (size_t b = 0; b < batches.size(); ++b) {
        Tensor wanted = teacher.stream(b);
        if (taught) {
          const Tensor x = teacher.advance(b, i, ffn);
          wanted = wanted + (ffn ? teaching.down : teaching.output).forward(x);
        }
        if (!acts) continue;
        const Tensor x = student.inputs(b, i, ffn), stream = student.stream(b);
        const Tensor scale = writing_scale(own, ffn, stream);
        const Tensor gap = at::where(scale.ne(0), (wanted - stream) / scale - linear.forward(x),
                                     at::zeros({}, stream.options()));
        Tensor weights = token_weights(model.config, gates, i, batches[b], first);
        if (weights.defined()) weights = weights.to(x.device());
        sums.add(x, gap, weights);
      }
      if (!acts) continue;
      solve(sums, open_inputs(own, ffn, linear.inputs()), damp, linear);
      for (size_t b = 0; b < batches.size(); ++b) student.advance(b, i, ffn);
    }
  }
}

}  // namespace espalier
