// CoFi's layer distillation (Xia, Zhong & Chen 2022, arXiv 2204.00408): every chosen teacher layer
// teaches the student layer that is nearest to it, so that a student which loses layers need not
// keep the teacher's depth.
//
//   loss = weight x sum over chosen teacher layers j of D[j, m(j)],
//   D[j, i] = mean over tokens and dimensions of (P h_i - t_j)^2
//
// h_i, t_j [N,D]: outputs of student layer i and teacher layer j. P: one Projection for all layers,
// the identity at first where the widths agree. Chosen are spaced_layers() of the teacher (2 5 8 11
// of 12). A student layer exists while its attention or its FFN is on; m(j) is, by `match`,
//   ordered  (their version 4) from the top down the nearest existing layer below the one before;
//            when none is left, the one before again
//   free     (3) the nearest existing layer, whoever has it too
//   fixed    (2) the layer at the same place, by the uniform map where the depths differ; a pair
//            whose student layer is gone is left out
//   random   (6) as ordered, but the teacher's layers are drawn in every step, one from each window
//            that ends at a chosen one; the lowest is always the lowest chosen one, as in their
//            code
//
// The paper's loss is a_layer L_layer + a_ce L_KL with 0.9 and 0.1 (or 0.7 and 0.3, 0.5 and 0.5) at
// temperature 2, without the labels: here weight 0.9, beside soft_labels with weight 0.1. So
// task_weight is 0 by default; alone, this loss leaves the task head as it is, and needs one.
//
// Differences: padding does not count; `fixed` takes the chosen layers instead of all. The released
// code matches existing layers by the wrong index, sees the attention alone, and reads past the end
// when no layer is left: none of that here. Matching needs the distances on the host: one wait a
// step, for the whole batch.
#pragma once

#include <string>
#include <vector>

#include "core/distill/projection.h"

namespace espalier {

// Layers of which a sub-layer is on. `present`: those that have one, by shape; gates that are not
// sealed close none.
std::vector<bool> existing_layers(const std::vector<bool>& present, const Gates& gates);

// D [J,L] without a gradient, from projected student states (undefined ones are infinitely far) and
// the chosen teacher states, [N,D] all.
Tensor layer_distances(const std::vector<Tensor>& student, const std::vector<Tensor>& teacher);

// m by rising teacher layer; -1 where no student layer exists. `distances` [J,L] on any device.
std::vector<int> match_in_order(const Tensor& distances, const std::vector<bool>& exists);
std::vector<int> match_freely(const Tensor& distances, const std::vector<bool>& exists);
// The same for teacher layers `chosen` of `teacher`; -1 where the student's layer does not exist.
std::vector<int> match_by_place(const std::vector<int>& chosen, int teacher,
                                const std::vector<bool>& exists);

// Teacher layers of a step for `random`, rising.
std::vector<int> draw_layers(int layers, uint64_t seed);

class LayerMatch : public Distiller {
 public:
  struct Options {
    double weight = 1;
    std::string match = "ordered";
    double task_weight = 0;
    double projection_learning_rate = kProjectionLearningRate;
    void read(OptionReader& reader);
  };
  explicit LayerMatch(const Options& options);
  void prepare(Session& session) override;
  void before_step(Session& session, const Step& step) override;
  Tensor loss(const Pass& pass) override;
  double task_weight(const Step&) const override { return options_.task_weight; }
  void folded(Session&, const FoldMap& map) override { projection_.folded(map); }
  std::vector<ParamGroup> parameters() override { return projection_.parameters(); }
  Needs needs() const override;
  void save(State& state) const override { projection_.save(state); }
  void load(const State& state) override { projection_.load(state); }

 private:
  std::vector<int> matched(const std::vector<Tensor>& student, const std::vector<Tensor>& teacher,
                           const std::vector<bool>& exists) const;

  Options options_;
  Projection projection_;
  std::vector<bool> present_;  // student layers with a sub-layer
  int teacher_layers_ = 0;
  std::vector<int> chosen_;  // teacher layers, rising
};

}  // namespace espalier
