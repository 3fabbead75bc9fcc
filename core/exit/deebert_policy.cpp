#include "core/exit/deebert_policy.h"

namespace espalier {

Tensor entropy(const Tensor& logits) {
  Tensor log_p = at::log_softmax(logits.to(at::kFloat), -1);
  Tensor p = log_p.exp();
  // 0 log 0 = 0; a NaN stays one, and leaves nobody confident.
  return -at::where(p.eq(0), at::zeros({}, p.options()), p * log_p).sum(-1);
}

Leave DeeBertPolicy::leave(const LayerView& view, RowState& state) const {
  Leave out;
  out.go = entropy(view.logits).lt(state.knobs.threshold);
  out.logits = view.logits;
  out.confidence = at::amax(at::softmax(view.logits.to(at::kFloat), -1), {-1});
  return out;
}

}  // namespace espalier
