#include "core/prune/input_moments.h"

#include "core/model/train_backend.h"
#include "core/model/walk.h"

namespace espalier {

void Moments::add(const Tensor& x, const Tensor& w) {
  const Tensor rows = x.to(at::kDouble);
  const Tensor weighed = w.defined() ? rows * w.unsqueeze(1) : rows;
  if (!products.defined()) {
    products = at::zeros({x.size(1), x.size(1)}, rows.options());
    sum = at::zeros({x.size(1)}, rows.options());
  }
  products.addmm_(weighed.t(), rows);
  sum.add_(weighed.sum(0));
  total += w.defined() ? w.sum().item<double>() : static_cast<double>(x.size(0));
}

double first_token_weight(std::span<const Batch> batches) {
  int64_t tokens = 0, rows = 0;
  for (const Batch& batch : batches) {
    tokens += batch.tokens();
    rows += batch.rows();
  }
  // Rows of one token each have no others to be as much as.
  return tokens > rows ? static_cast<double>(tokens - rows) / static_cast<double>(rows) : 1;
}

Tensor token_weights(const ModelConfig& config, const Gates& gates, int layer, const Batch& batch,
                     double first) {
  if (config.head != HeadKind::kSequence || config.pooling != Pooling::kFirst) return {};
  for (int later = layer + 1; later < static_cast<int>(config.layers.size()); ++later) {
    const bool attends =
        gates.attention_on.empty() ? config.head_count(later) > 0 : gates.attention_on[later];
    if (attends) return {};  // and reads other tokens
  }
  std::vector<int64_t> firsts = batch.offsets();
  const int64_t tokens = firsts.back();
  firsts.pop_back();
  return at::ones({tokens}, at::kDouble).index_fill_(0, torch::tensor(firsts, at::kLong), first);
}

std::vector<Batch> sample_rows(const Session& session, int64_t rows, int64_t& draw) {
  std::vector<Batch> out;
  for (int64_t have = 0; have < rows; ++draw) {
    for (Batch& batch : session.sample(draw)) {
      have += batch.rows();
      out.push_back(std::move(batch));
    }
  }
  return out;
}

std::vector<LayerMoments> input_moments(const Model& model, const Gates& gates,
                                        std::span<const Batch> batches) {
  torch::NoGradGuard no_grad;
  std::vector<LayerMoments> out(model.layers.size());
  const double first = first_token_weight(batches);
  const Batch* batch = nullptr;
  TrainBackend backend(model);
  backend.watch([&](int layer, bool ffn, const Tensor& inputs) {
    Tensor weights = token_weights(model.config, gates, layer, *batch, first);
    if (weights.defined()) weights = weights.to(inputs.device());
    (ffn ? out[layer].ffn : out[layer].attention).add(inputs, weights);
  });
  WalkOptions every_token;
  every_token.record.hidden = true;
  for (const Batch& one : batches) {
    batch = &one;
    walk(backend, one, gates, every_token);
  }
  for (LayerMoments& layer : out) {
    for (Moments* moments : {&layer.attention, &layer.ffn}) {
      if (!moments->products.defined()) continue;
      moments->products = moments->products.to(at::kCPU);
      moments->sum = moments->sum.to(at::kCPU);
    }
  }
  return out;
}

}  // namespace espalier
