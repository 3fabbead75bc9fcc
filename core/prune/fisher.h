// Post-training pruning of heads and neurons (Kwon et al. 2022, "A Fast Post-Training Pruning
// Framework for Transformers", arXiv 2204.09656): a sample of the train split, some minutes, and no
// training step. Everything happens in prepare(); a training may follow, under gates that stay.
//
//  1. Gradients of the task loss with respect to gates of 1, one a batch of the sample.
//  2. The units to keep, by the diagonal of the Fisher information and what the aim counts
//     (fisher_search.h).
//  3. Layer by layer, units change places for what they do together.
//  4. The gates' values by least squares (fisher_tuning.h), so that each sub-layer says what it
//     says in a larger model: the one that the same search leaves at the square root of the share
//     that is to be left.
//
// Where we differ from the paper or from its released code:
//
// * One search for all costs. The paper's searches a number of multiply-accumulates, and has
//   another one for times that takes them as flat up to a threshold and linear behind it; ours
//   reads any cost's price lists as they are, and may drop whole sub-layers under each
//   (`drop_sublayers`). Their search for times lowers its budget with every sub-layer that it
//   tries without, and never raises it again.
// * A sub-layer without any unit is gone with its bias and norm, as everywhere here; theirs stay.
// * The larger model is rearranged like the smaller one; theirs is as the search leaves it.
// * All layers' heads are tuned (theirs: but the first), without the constant that their
//   regression fits beside heads and forgets. Where a solution leaves [-10, 10] that sub-layer
//   alone stays as it is; theirs ends there. `damp` weighs the distance from 1 in the least
//   squares; their solver, run on the normal equations, damps those.
// * After a training, another aim (a time that was missed) is met from the same gradients, and
//   what was trained takes the larger model's place.
#pragma once

#include "core/method/method.h"
#include "core/prune/fisher_search.h"

namespace espalier {

class Fisher : public Pruner {
 public:
  struct Options {
    int64_t batches = 64;  // 2,048 examples in batches of 32
    bool rearrange = true, tune = true, drop_sublayers = true;
    std::string parent = "halfway";
    double damp = 1;
    void read(OptionReader& reader);
  };
  explicit Fisher(const Options& options) : options_(options) {}

  void aim(const Aim& aim) override { aim_ = aim; }
  absl::Status check(const ModelConfig& config) const override;
  void prepare(Session& session) override;
  void after_step(Session& session, const Step& step) override;
  void finish(Session& session) override;
  std::vector<Gates> gates(const Step& step, Mode mode) override;
  bool eligible() const override;
  // For another aim, among those that the first one kept.
  double reached() const override { return made_for_; }
  bool reopens() const override { return true; }
  bool has_all_sizes() const override { return true; }
  void save(State& state) const override;
  void load(const State& state) override;

 private:
  void observe(Session& session);
  // Masks with which at least this share of the cost is gone, sealed, on the model's device.
  Gates searched(const Model& model, double sparsity) const;
  // Makes the gates for the aim.
  void prune(Session& session);

  Options options_;
  Aim aim_;
  UnitMasks gradients_;  // [batches,L,H] and [batches,L,F], on the CPU
  Gates gates_;
  Gates trained_;        // under which steps were taken; empty before the first one
  double made_for_ = 0;  // the sparsity that the gates were made for
};

}  // namespace espalier
