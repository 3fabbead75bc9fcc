// Whole layers from the top, all at once: the baseline that every table of pruned models needs
// (Sajjad et al. 2020, arXiv 2004.03844, whose top-layer dropping was their best strategy).
// "alternate" takes every second layer from the top first, then the others.
//
// As many layers go as the target needs; it is overshot by up to a layer.
#pragma once

#include "core/prune/score.h"

namespace espalier {

class LayerOrderScore : public Score {
 public:
  LayerOrderScore(bool alternate) : alternate_(alternate) {}
  Tensor value(const Unit& unit, const Model& model) const override {
    const auto layers = static_cast<int>(model.config.layers.size());
    const int from_top = layers - 1 - unit.layer;
    const int turn = !alternate_         ? from_top
                     : from_top % 2 == 0 ? from_top / 2
                                         : layers + from_top / 2;
    // Times the cost, by which a cut divides: layers of different sizes keep the order.
    return at::full({1}, (turn + 1) * unit.cost, at::kDouble);
  }

 private:
  bool alternate_;
};

}  // namespace espalier
