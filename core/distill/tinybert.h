// TinyBERT's distillation for a task (Jiao et al. 2020, arXiv 1909.10351), in its two stages.
//
// Intermediate: the student sees states and attention of the teacher, and neither labels nor
// answers (the task's loss is off).
//
//   loss = sum over states l = 0 .. L of MSE(P h_l, t_g(l))
//        + attention_weight x sum over layers l = 1 .. L of MSE(A_l, B_g(l))
//
// h_l, t_l [N,D]: the embeddings' output (l = 0) and those of the layers; P: one Projection for
// all; g: uniform_state(). A, B [B,h,T,T]: attention scores before the softmax; heads pair by their
// original ids, and a head that either model lost, or whose gate is 0, does not count. A layer
// without attention has no such term; its state is compared as it handed it on.
//
// Prediction: soft cross-entropy at temperature 1, -sum_c p_c log q_c, over rows AND classes a
// mean; the labels' loss stays off. Tokens with classes: over those that count. Labels of their
// own: binary cross-entropy with the teacher's probabilities. Words and spans: soft_labels' KL at
// temperature 1, the same up to a constant, not divided by the number of alternatives. Numbers: the
// labels' squared error alone, as the released code has it.
//
// Differences: means are over entries that are no padding (the released code's are over padding
// too, so that they shrink with the longest row of a batch), scores have no value there, and the
// teacher is in evaluation mode (in the released code its dropout acts). Both stages run in one
// phase, under one learning-rate schedule; data augmentation is the data set's business.
//
// Tokens and entries of scores are each counted as they are, and each term is weighed by its own
// share of the step (method/shares.h): micro-batches add up exactly, without keeping whole batches.
#pragma once

#include <string>
#include <vector>

#include "core/distill/projection.h"

namespace espalier {

// Places, among the kept heads of each model, of the heads that both kept; `student` and `teacher`
// are original ids.
struct HeadPairs {
  std::vector<int64_t> student, teacher;
};
HeadPairs paired_heads(const std::vector<int>& student, const std::vector<int>& teacher);

// Mean squared difference of scores [B,h,T,T], 0 in padding, over heads and `entries`: the sum of
// the rows' squared lengths. ours, theirs [n] int64: places of the heads that are compared. gate
// [n], undefined for ones: heads of the student whose gate is 0 do not count.
Tensor score_distance(const Tensor& student, const Tensor& teacher, const Tensor& ours,
                      const Tensor& theirs, int64_t entries, const Tensor& gate = {});

// -sum_c p_c log q_c over rows that count and over classes a mean. Both [B,C]; counts [B] bool,
// undefined for all.
Tensor soft_cross_entropy(const Tensor& student, const Tensor& teacher, const Tensor& counts = {});

class TinyBert : public Distiller {
 public:
  struct Options {
    std::string stage = "both";
    double intermediate_share = 0.5;
    double attention_weight = 1;
    double projection_learning_rate = kProjectionLearningRate;
    void read(OptionReader& reader);
  };
  explicit TinyBert(const Options& options);
  void prepare(Session& session) override;
  Tensor loss(const Pass& pass) override;
  double task_weight(const Step& step) const override;
  void folded(Session&, const FoldMap& map) override { projection_.folded(map); }
  std::vector<ParamGroup> parameters() override { return projection_.parameters(); }
  Needs needs() const override;
  void save(State& state) const override { projection_.save(state); }
  void load(const State& state) override { projection_.load(state); }

 private:
  // A student layer and the teacher layer that teaches it, with the heads that both have.
  struct LayerPair {
    int student = 0, teacher = 0;
    Tensor ours, theirs;  // see score_distance(); undefined: none in common
  };
  bool sees_states() const { return options_.stage != "prediction"; }
  bool sees_answers() const { return options_.stage != "intermediate"; }
  bool sees_scores() const { return sees_states() && options_.attention_weight > 0; }
  bool is_intermediate(const Step& step) const;
  Tensor state_loss(const Trace& student, const Trace& teacher) const;
  Tensor score_loss(const Pass& pass, const Trace& teacher) const;
  Tensor prediction_loss(const Pass& pass) const;

  Options options_;
  Projection projection_;
  Objective objective_ = Objective::kClass;
  std::vector<LayerPair> pairs_;  // by student layer
};

}  // namespace espalier
