#include "core/exit/deebert_policy.h"

namespace espalier {

Tensor entropy(const Tensor& logits) {
  Tensor log_p = at::log_softmax(logits.to(at::kFloat), -1);
  return -(at::nan_to_num(log_p.exp() * log_p, 0.0)).sum(-1);
}

Leave DeeBertPolicy::leave(const LayerView& view, RowState& state) const {
  Leave out;
  out.go = entropy(view.logits).lt(state.knobs.threshold);
  out.logits = view.logits;
  out.confidence = at::amax(at::softmax(view.logits.to(at::kFloat), -1), {-1});
  return out;
}

}  // namespace espalier
