// Hidden states token by token, each layer by the teacher's own: as ZipLM distils while it prunes
// (Kurtic, Frantar & Alistarh 2023, arXiv 2302.04089).
//
//   loss = weight x mean over layers i and tokens of |P h_i - t_g(i)|^2 / |t_g(i)|^2
//
// h_i, t_j [N,D]: outputs of student layer i and teacher layer j; without `relative` divided by D
// instead of |t|^2. g(i) = i, or the uniform map (layer_map.h) where the depths differ. P: nothing
// where the widths agree, else a Projection. Padding does not count; a layer without sub-layers
// hands on what it got, and that is compared.
//
// What ZipLM leaves open we choose: the mean over layers, the division (one weight then serves
// layers and models of any scale) and that it is by token: over a batch's mean square the loss
// would be no mean over tokens, and micro-batches would not add up to their step.
#pragma once

#include "core/distill/projection.h"

namespace espalier {

// Mean over the tokens. Both [N,D]; scalar.
Tensor token_distance(const Tensor& student, const Tensor& teacher, bool relative);

class TokenHidden : public Distiller {
 public:
  struct Options {
    double weight = 1;
    bool relative = true;
    double projection_learning_rate = kProjectionLearningRate;
    void read(OptionReader& reader);
  };
  explicit TokenHidden(const Options& options);
  void prepare(Session& session) override { projection_.prepare(session); }
  Tensor loss(const Pass& pass) override;
  void folded(Session&, const FoldMap& map) override { projection_.folded(map); }
  std::vector<ParamGroup> parameters() override { return projection_.parameters(); }
  Needs needs() const override;
  void save(State& state) const override { projection_.save(state); }
  void load(const State& state) override { projection_.load(state); }

 private:
  Options options_;
  Projection projection_;
};

}  // namespace espalier
