// What pruners with trained scores share: a score for each gate, masks of 0 and 1 that follow from
// scores, and a gradient through them.
//
// Movement pruning (Sanh, Wolf & Rush 2020, arXiv 2005.07683) trains a score S for each weight W
// and multiplies the weight by a mask M(S). A mask has no slope, so backward takes it for the
// scores themselves, "straight through":
//
//   dL/dS = dL/dM = W dL/dW',  W' = M W,  also where M is 0.
//
// So a score falls while its weight moves towards 0 and rises while it moves away, and what was
// closed may open again.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/method/method.h"

namespace espalier {

// Masks have the scores' shape and dtype, are exactly 0 or 1 and carry no graph.
//
// 1 for the `count` largest scores, of equal ones the first.
Tensor top_mask(const Tensor& scores, int64_t count);
// The same over several tensors together.
std::vector<Tensor> top_masks(const std::vector<Tensor>& scores, int64_t count);
// 1 where sigmoid(score) > threshold. Where these are no more than int(`least` of all), the largest
// ones, one more than that (so the released code counts).
Tensor threshold_mask(const Tensor& scores, double threshold, double least);

// The mask to the bit, with the identity as gradient into the scores: mask + (s - s), and s - s is
// exactly 0.
Tensor straight_through(const Tensor& mask, const Tensor& scores);

// Mean over the tensors of the mean sigmoid(score) in each; scalar, differentiable.
Tensor mean_sigmoid(const std::vector<Tensor>& scores);

// Scores by name: leaves that the optimiser holds, on the model's device.
class TrainedScores {
 public:
  // For prepare(): scores that start so, unless a checkpoint brought some of this name.
  void add(const std::string& name, const Tensor& start);
  const Tensor& at(const std::string& name) const { return scores_.at(name); }
  const std::map<std::string, Tensor>& all() const { return scores_; }
  std::vector<Tensor> tensors() const;
  ParamGroup parameters(const std::string& group, double learning_rate) const;
  void save(State& state) const;
  // Before add() or after.
  void load(const State& state);

 private:
  std::map<std::string, Tensor> scores_;
};

}  // namespace espalier
