// Patient knowledge distillation (Sun et al. 2019, arXiv 1908.09355), its patient term alone:
//
//   loss = weight x mean over rows, layers and D of (h / |h| - t / |t|)^2
//
// h, t [D]: states of a row's first token after student layers 0 .. k-2 and after the teacher
// layers that layer_map.h gives them. The rest of its loss, (1 - alpha) CE + alpha T^2 KL, is the
// distiller soft_labels beside it: task_weight 1 - alpha, weight alpha (the authors' setting for 6
// layers: 0.7 at temperature 10).
//
// `weight` is beta. The paper searches 10, 100, 500 and 1000 and the released code's setting for 6
// layers has 500, of the very mean that stands above: over D as well. That makes the term small,
// 2 (1 - cos) / D, at most 0.005 at D = 768; so 500 is our default, and 10 would hardly be felt
// beside a cross-entropy.
//
// Differences: any two depths; where the widths differ, a Projection stands before the norm. The
// released KL is divided by the number of classes, ours is not.
#pragma once

#include <string>
#include <vector>

#include "core/distill/projection.h"

namespace espalier {

// Mean of the squared difference of l2-normalised states, [..., D] both; scalar.
Tensor patient_distance(const Tensor& student, const Tensor& teacher);

class Pkd : public Distiller {
 public:
  struct Options {
    double weight = 500;
    std::string layers = "skip";
    double projection_learning_rate = kProjectionLearningRate;
    void read(OptionReader& reader);
  };
  explicit Pkd(const Options& options);
  void prepare(Session& session) override;
  Tensor loss(const Pass& pass) override;
  void folded(Session&, const FoldMap& map) override { projection_.folded(map); }
  std::vector<ParamGroup> parameters() override { return projection_.parameters(); }
  Needs needs() const override;
  void save(State& state) const override { projection_.save(state); }
  void load(const State& state) override { projection_.load(state); }

 private:
  Options options_;
  Projection projection_;
  std::vector<int> taught_by_;  // teacher layer of each student layer but the last
};

}  // namespace espalier
