// What backends over packed tokens have in common: a hidden state is [N,D], row after row, and
// everything but the sub-layers themselves is the same in training and in serving.
#pragma once

#include <functional>

#include "core/model/backend.h"
#include "core/model/token_rows.h"

namespace espalier {

struct PackedRows : HiddenState {
  Tensor x;  // [N,D]
  std::shared_ptr<const TokenRows> rows;
  Tensor bias;  // relative_bias() of the longest row that came in; undefined in models without one
};

class RowsBackend : public Backend {
 public:
  Hidden attend_firsts(int layer, const Hidden& x, const LayerGates& gates) override;
  Hidden firsts(const Hidden& x) override;
  Hidden take(const Hidden& x, const Tensor& index) override;
  Hidden blend(const Hidden& layer, const Hidden& before, const Tensor& share) override;
  Hidden finish(const Hidden& x, const LayerGates& gates) override;
  Tensor cls(const Hidden& x) override;
  Tensor mean(const Hidden& x) override;
  Tensor tokens(const Hidden& x) override;

 protected:
  static const PackedRows& packed(const Hidden& x) { return static_cast<const PackedRows&>(*x); }
  // The same rows with other values.
  static Hidden with(const Hidden& like, Tensor x);
  // Rows of one token each, x [B,D].
  static Hidden with_firsts(const Hidden& like, Tensor x);
  // See embed_rows().
  Hidden embedded(const Batch& batch, const Tensor& gate,
                  const std::function<Tensor(const Tensor&)>& drop) const;
};

}  // namespace espalier
