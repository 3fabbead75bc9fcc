// DynaBERT (Hou et al. 2020, arXiv 2004.04037): one set of weights that is trained as many
// subnetworks at once, narrower and shallower ones, of which the one that the target asks for is
// folded. A width is a share of every sub-layer's heads or neurons, the most important ones first,
// so that narrower subnetworks lie within wider ones; a depth is a share of the layers.
//
//   head:    sum over batches |dL/dm|, m the head's gate
//   neuron:  sum over batches |sum_k W1_jk gW1_jk + b1_j gb1_j| + |sum_k W2_kj gW2_kj|
//
// with W1 [F,D], W2 [D,F] and g their gradients, once, before the first step. The second part of a
// neuron's is |dL/dm| of its gate; the first is not that of any gate, since it stands before the
// activation, and is why a Session shows the gradients of weights.
//
// Each step walks every subnetwork of its stage: all widths at full depth, then all widths at all
// depths. A depth m of L layers keeps layers floor(i / m), i < round(m L).
//
// Where we differ, and why:
//
// * Nothing is rewired: gates that close units by their rank give the same subnetworks as matrices
//   in that order, of which the first rows are taken. What they close is computed all the same,
//   dropped layers apart: a step of the second stage costs about ten whole walks.
// * Importances are of the batches' own gradients. The authors' code never clears them: their k-th
//   batch counts with the sum of the first k. It looks at the dev set; we draw from the train
//   split.
// * Losses of subnetworks are averaged, as the trainer does, not summed: the same for AdamW, and a
//   clip is that of a mean.
// * A neuron's width is its own: n units keep round(width n), halves upwards, at least one. Theirs
//   follow the rounded number of heads.
// * A target picks one subnetwork, whose width need not be in the list; it is trained in every step
//   beside the others, so that what is folded has been trained. The paper measures all twelve and
//   leaves the choice. We take the deepest one that the target leaves no narrower than the list's
//   narrowest, as wide as the target allows, to the unit: a width takes the least important units
//   of each layer, a depth takes whole layers whatever they are worth. Where even the shallowest
//   is too large, the depth that can give the most, and a width below the list.
// * One training: the paper's second stage is taught by the first one's result, and its third
//   trains all subnetworks on labels alone. Distillers teach here as the recipe says, and a layer
//   that is dropped hands on what it got.
#pragma once

#include <vector>

#include "core/method/method.h"

namespace espalier {

// {1, ..., least}, so many, evenly spaced; {1} where it is one.
std::vector<double> evenly_down_to(double least, int64_t count);
// Which of so many layers a depth keeps: rising, at least one.
std::vector<int64_t> layers_of_depth(int64_t layers, double depth);
// Of the neurons between two Linears whose weights hold gradients, [F]: see above.
Tensor neuron_saliency(const Linear& up, const Linear& down);

// The subnetworks of one model. Gates that it makes are 0 or 1, double, on the CPU; heads and
// neurons of a layer that is dropped stay open.
class Subnetworks {
 public:
  // Importances [L,H] and [L,F]. Undefined: units in the order in which they stand, which is enough
  // for sizes.
  Subnetworks(const ModelConfig& config, const Tensor& head_importance,
              const Tensor& neuron_importance);
  // Of width 0: one head and one neuron a layer.
  Gates at(double width, double depth) const;
  // The largest one of this depth without this share of the cost, to the unit; units with an equal
  // place in their sub-layers leave heads first, lower layers first. Where no width is enough, that
  // of width 0.
  Gates widest(double depth, const Cost& cost, double gone) const;

 private:
  Tensor kept(double depth) const;  // [L]
  // From which width on each unit is there, all heads before all neurons; 0: in any.
  Tensor places(const Tensor& kept) const;
  // Gates from what places() lists, open or not.
  Gates gates_of(const Tensor& kept, const Tensor& open) const;

  std::vector<int64_t> present_;  // layers with any sub-layer
  Tensor head_place_;             // [L,H]
  Tensor neuron_place_;           // [L,F]
};

class DynaBert : public Pruner {
 public:
  struct Options {
    int64_t batches = 32;
    int64_t widths = 4, depths = 3;
    double narrowest = 0.25, shallowest = 0.5;
    double width_share = 0.5;  // share of the steps at full depth
    void read(OptionReader& reader);
  };
  explicit DynaBert(const Options& options) : options_(options) {}

  void aim(const Aim& aim) override { aim_ = aim; }
  absl::Status check(const ModelConfig& config) const override;
  void prepare(Session& session) override;
  std::vector<Gates> gates(const Step& step, Mode mode) override;
  void finish(Session& session) override;
  // Every state may be folded: the target's subnetwork is the same in all of them.
  bool eligible() const override { return true; }
  double reached() const override { return aim_.sparsity; }
  // For another aim.
  bool reopens() const override { return true; }
  bool has_all_sizes() const override { return true; }
  void save(State& state) const override;
  void load(const State& state) override;

  const Tensor& head_importance() const { return head_importance_; }
  const Tensor& neuron_importance() const { return neuron_importance_; }

 private:
  void measure_importance(Session& session);
  // The subnetwork that the target asks for.
  Gates target(const Model& model) const;

  Options options_;
  Aim aim_;
  Tensor head_importance_, neuron_importance_;  // [L,H], [L,F], double, on the CPU
  std::vector<Gates> full_depth_, all_depths_;  // what a step of each stage walks
  Gates target_;
};

}  // namespace espalier
