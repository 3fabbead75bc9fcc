// Gates' values by least squares: what is left of a sub-layer is scaled, unit by unit, until it
// says best what a larger model says there. No gradients, no labels. The last part of Fisher
// pruning (fisher.h).
#pragma once

#include <span>

#include "core/model/batch.h"
#include "core/model/gates.h"

namespace espalier {

// Least squares of units' contributions to a product. Unit u reads `width` inputs and adds
// c_u = x_u W_u^T [N,D] to it. Of rows times outputs times units nothing is ever held: with
// X [N,K] and W [D,K], K = units x width, the sums of <c_u, c_v> are those of (X^T X) * (W^T W)
// over the units' blocks. All in double, on the weight's device.
class ContributionFit {
 public:
  // `weight` [D,K]: unit after unit.
  ContributionFit(const Tensor& weight, int64_t units);
  // More rows: inputs [N,K], and what the product was to be, [N,D].
  void add(const Tensor& inputs, const Tensor& wanted);
  // The factors m [units] with the least
  //   sum over rows of |wanted - sum_u m_u c_u|^2 + damp^2 |m - 1|^2.
  Tensor solve(double damp) const;

 private:
  Tensor by_unit(const Tensor& sums) const;

  int64_t units_;
  Tensor weight_;           // [D,K]
  Tensor squares_, right_;  // X^T X [K,K]; sum over rows and outputs of wanted x contribution, [K]
};

// `gates`, sealed like `parent`, with values for their open heads and neurons. Layer by layer, and
// attention before the FFN: with everything before it tuned, a sub-layer's scaled units are to
// make of the pruned stream what the same sub-layer of the model under `parent` makes of its own,
// residual stream included and before a norm behind it. Where the head reads the rows' first tokens
// alone, these alone count in the last layer.
//
// A sub-layer keeps its values where the solution has one beyond `limit` of either sign, or where
// the parent has no such sub-layer.
Gates tuned(const Model& model, std::span<const Batch> sample, const Gates& parent, Gates gates,
            double damp, double limit = 10);

}  // namespace espalier
