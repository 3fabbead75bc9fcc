// Magnitude: |w|. With a cubic ramp this is gradual magnitude pruning (Zhu & Gupta 2017,
// arXiv 1710.01878); Han et al. 2015 is the one-shot form (`ramp` 0).
#pragma once

#include "core/prune/score.h"

namespace espalier {

class MagnitudeScore : public Score {
 public:
  Tensor value(const Unit&, const Tensor& weight) const override { return weight.detach().abs(); }
};

}  // namespace espalier
