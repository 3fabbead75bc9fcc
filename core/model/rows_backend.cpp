#include "core/model/rows_backend.h"

#include "core/model/attention.h"
#include "core/model/embedding.h"

namespace espalier {

Hidden RowsBackend::with(const Hidden& like, Tensor x) {
  auto out = std::make_shared<PackedRows>(packed(like));
  out->x = std::move(x);
  return out;
}

Hidden RowsBackend::with_firsts(const Hidden& like, Tensor x) {
  auto out = std::make_shared<PackedRows>(packed(like));
  std::vector<int64_t> ones(static_cast<size_t>(x.size(0)), 1);
  out->rows = std::make_shared<const TokenRows>(std::move(ones), x.device());
  out->x = std::move(x);
  return out;
}

Hidden RowsBackend::attend_firsts(int layer, const Hidden& x, const LayerGates& gates) {
  return firsts(attend(layer, x, gates, nullptr));
}

Hidden RowsBackend::firsts(const Hidden& x) { return with_firsts(x, cls(x)); }

Hidden RowsBackend::embedded(const Batch& batch, const Tensor& gate,
                             const std::function<Tensor(const Tensor&)>& drop) const {
  auto out = std::make_shared<PackedRows>();
  out->rows = std::make_shared<const TokenRows>(batch.lengths, model().device());
  out->x = embed_rows(model(), batch, *out->rows, gate, drop);
  out->bias = relative_bias(model(), out->rows->longest);
  return out;
}

Hidden RowsBackend::take(const Hidden& hidden, const Tensor& index) {
  const PackedRows& in = packed(hidden);
  Tensor chosen = index.to(at::kCPU).contiguous();
  Tensor tokens = torch::tensor(in.rows->tokens_of(chosen), torch::kInt64).to(in.x.device());
  auto out = std::make_shared<PackedRows>(in);
  out->x = in.x.index_select(0, tokens);
  out->rows = std::make_shared<const TokenRows>(in.rows->lengths_of(chosen), in.x.device());
  return out;
}

Hidden RowsBackend::blend(const Hidden& layer, const Hidden& before, const Tensor& share) {
  const PackedRows& after = packed(layer);
  Tensor s = share.index_select(0, after.rows->row_of_token()).unsqueeze(1);
  return with(layer, after.x * (1 - s) + packed(before).x * s);
}

Hidden RowsBackend::finish(const Hidden& x, const LayerGates& gates) {
  const Norm& norm = model().final_norm;
  if (!norm.defined()) return x;
  return with(x, gated_layer_norm(packed(x).x, norm, gates.hidden, model().config.norm_eps));
}

Tensor RowsBackend::cls(const Hidden& x) {
  return packed(x).x.index_select(0, packed(x).rows->first);
}

Tensor RowsBackend::mean(const Hidden& x) { return row_means(packed(x).x, *packed(x).rows); }

Tensor RowsBackend::tokens(const Hidden& x) { return packed(x).x; }

}  // namespace espalier
