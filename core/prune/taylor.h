// First-order saliency of heads and neurons: E|dL/dm| at gate m = 1, which is |g.w| summed over the
// unit's weights (Michel et al. 2019, arXiv 1905.10650, for heads; Molchanov et al. 2019,
// arXiv 1906.10771, for neurons). Kept as a moving average over steps, because units leave while
// the weights are being trained.
//
// Where the papers differ we choose: |.| is taken of each micro-batch's gradient, not of each
// example's; the average is exponential with `decay`; scores of a layer are divided by that layer's
// l2 norm when `normalize` says so (Michel et al. do for heads), so that no layer dies from its
// scale alone.
#pragma once

#include "core/prune/score.h"

namespace espalier {

class TaylorScore : public Score {
 public:
  TaylorScore(double decay, bool normalize) : decay_(decay), normalize_(normalize) {}
  int64_t rounds() const override { return 8; }
  bool reads_gate_gradients() const override { return true; }
  void see(const Unit& unit, const Tensor& weight, const Tensor& weight_grad,
           const Tensor& gate_grad) override;
  Tensor value(const Unit& unit, const Tensor& weight) const override;
  void save(State& state) const override;
  void load(const State& state) override;

 private:
  struct Average {
    Tensor sum;         // [units], double
    double weight = 0;  // of the observations, for the bias of a young average
  };
  double decay_;
  bool normalize_;
  std::map<std::string, Average> averages_;
};

}  // namespace espalier
