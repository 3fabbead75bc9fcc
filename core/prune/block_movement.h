// Block movement pruning (Lagunas et al. 2021, arXiv 2109.04838), its "hybrid": movement pruning
// (movement.h, trained_scores.h) with a score for each block of the attention's matrices and for
// each FFN neuron.
//
//   M = 1 where sigmoid(S) > tau;   penalty = lambda / 2 (w_a mean over attention matrices of mean
//   sigmoid(S) + w_d mean over layers of mean sigmoid(neuron scores));   tau and lambda rise on a
//   cubic from 0.
//
// In training masks close blocks of q, k, v and o and neurons. What is cut is structure: a head
// goes when one of its slices of q, k, v or o has no open block left, a neuron when it is closed.
// With `fill` what is left is dense ("filled"): the masks inside it are dropped, and at the end
// weights that they held at 0 start again from mean + 0.01 std N(0,1) of their matrix's open
// weights. Without, the masks stay.
//
// Where we differ, and why:
//
// * A penalty cannot aim. An evaluation opens blocks and neurons above one common score, the
//   highest with which the ramp's share of the target is gone (a search, over scores in order, with
//   Cost).
// * A neuron is one gate on its activation, whose gradient is that of W_2's column alone; the
//   released code adds that of W_1's row. For ReLU without bias these two are equal, so its scores
//   see about twice ours, which AdamW divides out. Of a closed neuron it sees nothing, for both
//   matrices have closed it; ours sees what the neuron would do, as a weight's score does, so that
//   it can come back.
// * A block never spans two heads: its side along them divides a head's dimensions.
// * An empty slice of o closes a head, too: such a head adds nothing. The released code looks at q,
//   k and v. It also masks the bias of a row that is all closed; ours goes with its head.
// * `keep_one`: the best head and the best neuron of a layer are the last to go, and go only where
//   the target cannot be met with them. The released code, whose models cannot lose sub-layers,
//   always keeps one.
// * Once the ramp has ended, training goes on under the evaluations' own cut. Evaluations see the
//   masks; blocks inside of what stays are filled after the last step. (The paper fills, and trains
//   on, after the structure is cut.)
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/model/cost.h"
#include "core/prune/trained_scores.h"

namespace espalier {

struct BlockSize {
  int64_t rows = 1, cols = 1;
};

// The largest divisor of `size` that is at most `most`.
int64_t divisor_up_to(int64_t size, int64_t most);

// A number for each block [R,C] -> for each weight [R rows, C cols]; differentiable.
Tensor expand_blocks(const Tensor& blocks, const BlockSize& size);

// Where the heads of a matrix lie: q, k and v have them in rows, o in columns.
enum class HeadAxis { kRows, kColumns };
// Blocks [R,C] -> [heads, blocks of one head], and back to `like`'s shape.
Tensor head_slices(const Tensor& blocks, int64_t heads, HeadAxis axis);
Tensor from_head_slices(const Tensor& slices, const Tensor& like, HeadAxis axis);
// Heads with an open block in each slice, [heads] bool. `open`: blocks of q, k, v and o, 0 or not.
Tensor whole_heads(const std::vector<Tensor>& open, int64_t heads);

// The weight where it is open (bool, of its shape), elsewhere mean + 0.01 std noise of open
// weights.
Tensor refilled(const Tensor& weight, const Tensor& open, const Tensor& noise);

class BlockMovement : public Pruner {
 public:
  struct Options {
    int64_t block_rows = 32, block_cols = 32;   // along heads, along hidden dimensions
    double ramp_begin = 0.08, ramp_end = 0.67;  // shares of the steps
    double score_learning_rate = 1e-2;
    double threshold = 0.1, penalty = 20;  // at the ramp's end
    double attention_penalty = 1, dense_penalty = 1;
    bool keep_one = true, fill = true;
    void read(OptionReader& reader);
  };
  explicit BlockMovement(const Options& options) : options_(options) {}

  void aim(const Aim& aim) override { aim_ = aim; }
  absl::Status check(const ModelConfig& config) const override;
  void prepare(Session& session) override;
  std::vector<Gates> gates(const Step& step, Mode mode) override;
  Tensor penalty(const Step& step) override;
  void after_step(Session& session, const Step& step) override;
  void finish(Session&) override { reached_ = aim_.sparsity; }
  // With `fill`, what masks held at zero inside of what stays is filled, and the masks go.
  Gates settle(Session& session, Gates gates) override;
  bool eligible() const override { return reached_ >= aim_.sparsity - 1e-9; }
  double reached() const override { return reached_; }
  bool closes_units() const override { return options_.fill; }
  bool reopens() const override { return true; }
  std::vector<ParamGroup> parameters() override;
  void save(State& state) const override;
  void load(const State& state) override;

  const TrainedScores& scores() const { return scores_; }

 private:
  // What has a tensor of scores: one of a layer's q, k, v and o, in this order, or its neurons.
  struct Part {
    std::string name;  // Linear name, or "layers.0.ffn"
    int layer = 0;
    bool neurons = false;
    HeadAxis axis = HeadAxis::kRows;
    BlockSize block;
  };
  using Masks = std::map<std::string, Tensor>;  // by Part::name, of the scores' shapes, on the CPU

  void add_attention(const Model& model, int layer);
  double ramp(const Step& step, double target) const;
  Tensor training_mask(const Part& part, double threshold) const;
  Masks training_masks(const Step& step) const;
  Gates training_gates(const Step& step) const;
  // Scores of all parts as one list on the CPU, those that keep_one protects above all others.
  Tensor ranked_scores() const;
  // 1 at the blocks and the neurons that keep_one protects.
  Masks protected_units() const;
  // What is open when so much of what the target counts is gone.
  Masks cut(double sparsity) const;
  // Heads and neurons that stay, and the masks inside them, [N,K]; both on the CPU.
  Gates structure(const Masks& open) const;
  std::map<std::string, Tensor> inner_gates(const Masks& open, const Tensor& head) const;
  double share_gone(const Masks& open) const;

  Options options_;
  Aim aim_;
  ModelConfig config_;
  std::unique_ptr<Cost> cost_;
  std::vector<Part> parts_;
  TrainedScores scores_;
  double reached_ = 0;  // the sparsity that an evaluation cuts to now
};

}  // namespace espalier
