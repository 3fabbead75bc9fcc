// DeeBERT, the part that decides: leave after layer i when the entropy of its head, in nats, is
// strictly below the row's threshold. No state.
#pragma once

#include "core/model/exit_policy.h"

namespace espalier {

// Entropy in nats of softmax(logits), [B,C] -> [B]; exact at both ends, no NaN for -inf logits.
Tensor entropy(const Tensor& logits);

class DeeBertPolicy : public ExitPolicy {
 public:
  Leave leave(const LayerView& view, RowState& state) const override;
};

}  // namespace espalier
