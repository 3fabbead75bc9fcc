// CoFi (Xia, Zhong & Chen 2022, arXiv 2204.00408): coarse and fine units are pruned together by
// hard-concrete gates on hidden dimensions, whole attention and FFN sub-layers, heads and neurons,
// under a Lagrangian on the expected size.
//
// A unit is there when its own gate, that of its sub-layer and that of a hidden dimension are all
// open. Gates are drawn once a step; an evaluation takes as many zeros as are expected.
//
// The paper's whole recipe is this pruner with the distillers soft_labels and layer_match. Where we
// differ, because the reference is silent, or because its released code is not what was trained:
//
// * Size: with `count` "encoder" it is what the target counts: the sparsity of the report, of all
//   parameters of the layers with biases and norms, or multiply-accumulates, or measured time. With
//   "paper" it is the paper's bookkeeping (cofi_expected_sparsity).
// * With `exact`, an evaluation closes or opens fine gates, those with the smallest logits first,
//   until the sparsity wanted at that step is just reached: all fine logits are shifted alike.
//   Where closed sub-layers alone are too much, those with the largest logits come back. The
//   released code folds what the rounded expectation gives, which over- or undershoots; a state
//   may be kept once the expectation is within `epsilon` of the target, which holds without
//   `exact`.
// * One learning-rate schedule covers the steps before pruning and after: the released code starts
//   a new optimiser when gates begin to act.
// * fold() is exact (model/fold.h); a sub-layer without any open unit is gone, bias and norm too.
#pragma once

#include <memory>

#include "core/model/cost.h"
#include "core/prune/hard_concrete.h"
#include "core/prune/lagrangian.h"

namespace espalier {

// The paper's expected sparsity: 1 - N / M with
//   N = (4 d_h + 4 / H) sum_i q_mha_i sum_j q_head_ij sum_k q_hid_k
//       + 2 sum_i q_ffn_i sum_j q_int_ij sum_k q_hid_k,
//   M = L (4 D D + 4 D + 2 D F + D + F),
// D hidden dimensions, H heads of d_h, F neurons (the released code has 4 D in place of the last
// one). `open`: probabilities, undefined ones are open. For layers of one shape; scalar, double,
// differentiable. All open it is not 0, since the FFN's biases stand in M alone.
Tensor cofi_expected_sparsity(const ModelConfig& config, const Gates& open);

class Cofi : public Pruner {
 public:
  struct Options {
    double begin = 0.05;    // share of the steps without gates
    double ramp_end = 0.3;  // share of the steps at which the aim is reached
    double gate_learning_rate = 0.01, multiplier_learning_rate = 0.01;
    double epsilon = 0.01;
    std::string count = "encoder";
    bool prune_hidden = true, prune_sublayers = true;
    bool exact = true, freeze_embeddings = true;
    void read(OptionReader& reader);
  };
  explicit Cofi(const Options& options) : options_(options) {}

  void aim(const Aim& aim) override { aim_ = aim; }
  absl::Status check(const ModelConfig& config) const override;
  void prepare(Session& session) override;
  void before_step(Session& session, const Step& step) override;
  std::vector<Gates> gates(const Step& step, Mode mode) override;
  Tensor penalty(const Step& step) override;
  void after_step(Session& session, const Step& step) override;
  bool eligible() const override;
  double reached() const override { return wanted_; }
  bool reopens() const override { return true; }
  bool trains(const std::string& name) const override;
  std::vector<ParamGroup> parameters() override;
  void save(State& state) const override;
  void load(const State& state) override;

  const Gates& log_alpha() const { return log_alpha_; }
  const Tensor& multipliers() const { return lagrangian_.multipliers(); }

 private:
  bool acts(const Step& step) const;
  // The sparsity that the ramp asks for in this step.
  double wanted(const Step& step) const;
  Tensor expected_sparsity() const;
  double actual_sparsity(const Gates& gates) const;
  Gates sampled() const;
  // Gates of an evaluation (HardConcrete::deterministic), on the CPU: of sub-layers, and these with
  // those of fine units, which alone are shifted.
  Gates coarse_gates() const;
  Gates deterministic(double closing, const Gates& coarse) const;
  // With at least this sparsity, and as little more as units allow.
  Gates reaching(double sparsity) const;
  void reopen(Gates& gates, const Gates& more, double sparsity) const;

  Options options_;
  Aim aim_;
  HardConcrete distribution_;
  ModelConfig config_;
  std::unique_ptr<Cost> cost_;
  Gates log_alpha_;  // logits, in the shapes of the gates
  Lagrangian lagrangian_;
  uint64_t seed_ = 0;  // of the step's draw
  double wanted_ = 0;  // behind the last step
};

}  // namespace espalier
