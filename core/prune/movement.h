// Movement pruning (Sanh, Wolf & Rush 2020, arXiv 2005.07683): a score S for each weight of the
// layers, 0 at first, trained straight through the mask (trained_scores.h).
//
//   hard   M = 1 for the share v of the largest scores, in each matrix ("local", the paper's) or in
//          all of them together ("global"). v falls on a cubic from 1.
//   soft   M = 1 where sigmoid(S) > tau, and a penalty: lambda times the mean over matrices of mean
//          sigmoid(S). tau rises on the same cubic from 0 to `threshold`, lambda with it; half a
//          percent of each matrix stays open.
//
// As in the released code scores have a learning rate of their own, which follows the schedule, no
// decay, and are clipped together with the weights; embeddings are frozen. The ramp's defaults are
// its two warm-ups as shares of the steps on SQuAD.
//
// Where we differ:
//
// * The target is a share of all parameters of the layers, and biases and norms stay, so v is lower
//   than the paper's: 1 - aim x parameters / weights. In "local" each matrix of n keeps int(v n),
//   so that at most one weight a matrix is gone too much.
// * A penalty cannot aim. In "soft" the threshold acts in training, but an evaluation keeps the
//   largest scores of all matrices together, as many as the ramp's share of the target leaves: the
//   penalty moves the scores, and the cut meets the target to the weight.
// * Weights that a mask of the model holds at 0 already are the first to count as gone.
#pragma once

#include "core/prune/trained_scores.h"

namespace espalier {

class Movement : public Pruner {
 public:
  struct Options {
    std::string mode = "hard", scope = "local";
    double ramp_begin = 0.1, ramp_end = 0.8;  // shares of the steps
    double score_learning_rate = 1e-2;
    double penalty = 400, threshold = 0.1;  // at the ramp's end
    bool freeze_embeddings = true;
    void read(OptionReader& reader);
  };
  explicit Movement(const Options& options) : options_(options) {}

  void aim(const Aim& aim) override { aim_ = aim; }
  absl::Status check(const ModelConfig& config) const override;
  void prepare(Session& session) override;
  std::vector<Gates> gates(const Step& step, Mode mode) override;
  Tensor penalty(const Step& step) override;
  void after_step(Session& session, const Step& step) override;
  void finish(Session& session) override { reached_ = aim_.sparsity; }
  bool eligible() const override { return reached_ >= aim_.sparsity - 1e-9; }
  double reached() const override { return reached_; }
  bool closes_units() const override { return false; }
  bool reopens() const override { return true; }
  bool trains(const std::string& name) const override;
  std::vector<ParamGroup> parameters() override;
  void save(State& state) const override;
  void load(const State& state) override;

  const TrainedScores& scores() const { return scores_; }

 private:
  bool soft() const { return options_.mode == "soft"; }
  double ramp(const Step& step, double target) const;
  // Masks in the order of the scores, with so much of what the target counts gone.
  std::vector<Tensor> masks_at(double sparsity, bool global) const;

  Options options_;
  Aim aim_;
  TrainedScores scores_;     // by Linear name, [N,K]
  double weights_ = 0;       // how many have a score
  double weights_gone_ = 0;  // how many of them a sparsity of 1 would take
  double reached_ = 0;       // the sparsity that an evaluation cuts to now
};

}  // namespace espalier
