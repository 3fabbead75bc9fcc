// Magnitude. Single weights: |w|; with a cubic ramp this is gradual magnitude pruning (Zhu & Gupta
// 2017, arXiv 1710.01878), in one shot (ramp_end 0) Han et al. 2015's. Units of many weights: the
// sum of their squares, which a cut divides by what a unit costs.
#pragma once

#include "core/prune/score.h"

namespace espalier {

class MagnitudeScore : public Score {
 public:
  Tensor value(const Unit& unit, const Model& model) const override {
    const Tensor weights = unit_weights(model, unit);
    return unit.kind == Unit::Kind::kWeight ? weights.abs() : weights.square().sum(1);
  }
};

}  // namespace espalier
