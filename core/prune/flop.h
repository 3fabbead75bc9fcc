// FLOP (Wang, Wohlwend & Lei 2020, arXiv 1910.04732): every Linear of the layers becomes a product
// of two factors, W = up diag(z) down, and hard-concrete gates z close components of it under a
// Lagrangian on the expected size.
//
//   W [N,K] = U S V^T  ->  up [N,r] = U_r sqrt(S_r), down [r,K] = sqrt(S_r) V_r^T,
//   r = floor(N K / (N + K)): no more parameters than W had;
//   size = rest + sum over Linears (N + K) sum_j p_j,  p_j: probability that a gate is open,
//   rest: biases and norms.
//
// The target's line begins at step 0 (`warmup`). Gates are drawn once a step; an evaluation takes
// as many zeros as are expected, and open gates keep their soft value (hard_concrete.h, temperature
// 1). Logits are not clamped. They start at N(log((1 - m) / m), 0.01) for `init_mean` m, where a
// gate is about 1 - m: half open at the released code's 0.5, open near 0.
//
// Where we differ, and why:
//
// * The paper's models are trained with factors from the start. Ours are pretrained: truncated SVD,
//   shared out evenly between the factors. At rank r it is an approximation, which training
//   repairs.
// * Sparsity is a share of the parameters of the dense layers, biases and norms included, and not
//   of the factors'. Factors alone are a little smaller where N K / (N + K) is not whole.
// * With `exact` an evaluation meets the sparsity that the line asks for to the component: the
//   logits of all Linears are shifted by one number where zeros are counted. The released code
//   folds what the rounded expectation gives.
// * Each Linear keeps one component: y = b alone is no factored Linear (rank 0).
// * Learning rates are CoFi's, for a pretrained encoder: the paper's are multiples of its language
//   models' rates. As there, gates and multipliers know no schedule, decay or clipping.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/prune/hard_concrete.h"
#include "core/prune/lagrangian.h"
#include "core/prune/trained_scores.h"

namespace espalier {

// W ~ up down at some rank.
struct LowRank {
  Tensor up, down;  // [N,r], [r,K]
};
// The best one by squared error, singular values shared out evenly; rank up to min(N,K).
LowRank truncated_svd(const Tensor& weight, int64_t rank);
// The largest rank, at least 1, at which two factors hold no more parameters than the matrix.
int64_t even_rank(int64_t outputs, int64_t inputs);

// rest + sum_i component_sizes[i] sum(open[i]); scalar, double, on the CPU, differentiable.
Tensor expected_rank_parameters(const std::vector<double>& component_sizes,
                                const std::vector<Tensor>& open, double rest);

class Flop : public Pruner {
 public:
  struct Options {
    double warmup = 0.3;  // share of the steps until the target is asked for in full
    double gate_learning_rate = 0.01, multiplier_learning_rate = 0.01;
    double init_mean = 0.5, epsilon = 0.01;
    bool exact = true;
    void read(OptionReader& reader);
  };
  explicit Flop(const Options& options) : options_(options) {}

  void aim(const Aim& aim) override { aim_ = aim; }
  absl::Status check(const ModelConfig& config) const override;
  void prepare(Session& session) override;
  void before_step(Session& session, const Step& step) override;
  std::vector<Gates> gates(const Step& step, Mode mode) override;
  Tensor penalty(const Step& step) override;
  void after_step(Session& session, const Step& step) override;
  void finish(Session& session) override { wanted_ = aim_.sparsity; }
  bool eligible() const override;
  double reached() const override { return wanted_; }
  bool closes_units() const override { return false; }
  bool reopens() const override { return true; }
  std::vector<ParamGroup> parameters() override;
  void save(State& state) const override;
  void load(const State& state) override;

  const TrainedScores& log_alpha() const { return log_alpha_; }
  const Tensor& multipliers() const { return lagrangian_.multipliers(); }

 private:
  using RankGates = std::map<std::string, Tensor>;
  double wanted(const Step& step) const;
  Tensor expected_sparsity() const;
  RankGates sampled() const;
  // On the CPU; `closing`: see HardConcrete::deterministic.
  RankGates deterministic(double closing) const;
  // The largest of those with at least this sparsity.
  RankGates reaching(double sparsity) const;
  // Parameters of the layers with these gates.
  double left(const RankGates& gates) const;

  Options options_;
  Aim aim_;
  HardConcrete distribution_ = {.temperature = 1};
  std::map<std::string, double> component_size_;  // N + K by Linear
  double dense_ = 0;                              // parameters of the layers without factors
  double rest_ = 0;                               // of the layers beside the factors
  TrainedScores log_alpha_;                       // by Linear, [r]
  Lagrangian lagrangian_;
  uint64_t seed_ = 0;  // of the step's draw
  double wanted_ = 0;  // the sparsity that an evaluation is asked for now
};

}  // namespace espalier
