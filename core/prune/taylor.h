// First-order saliency of heads and neurons: E[(dL/dm)^2] at gate m = 1, where dL/dm is g.w summed
// over the unit's weights (Molchanov et al. 2019, arXiv 1906.10771; for heads Michel et al. 2019,
// arXiv 1905.10650, who take E|dL/dm|). Kept as a moving average over steps, because units leave
// while the weights are being trained.
//
// Why squares: heads and neurons compete for the same parameters. The square of a sum of n terms of
// either sign grows with n, as the parameters do, so a value a parameter means the same for a head
// of 50,000 and a neuron of 800; with |.| every head would go first. Where the papers differ we
// choose: gradients of micro-batches, not of single examples; an exponential average with `decay`;
// scores of a layer divided by that layer's l2 norm when `normalize` says so (Michel et al. do, for
// heads).
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
  Tensor value(const Unit& unit, const Model& model) const override;
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
