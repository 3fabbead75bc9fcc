// Soft labels (Hinton et al. 2015, arXiv 1503.02531; as used by DistilBERT, Sanh et al. 2019,
// arXiv 1910.01108): loss = task_weight x CE(student, label) + weight x t^2 x KL(teacher ||
// student) at temperature t, mean over rows. t^2 keeps the gradient's scale when t changes. Token
// classes: mean over the tokens that count. Labels of their own: KL of each yes or no, mean over
// all. Numbers: squared error between the two, without a temperature. Words: mean over those that
// are asked for, and that of the next-sentence answers besides.
//
// With `cosine` above 0 comes DistilBERT's cosine embedding loss (target 1) on the last layer's
// states: cosine x mean over tokens of 1 - cos(student, teacher), through a Projection where the
// widths differ. The paper's whole loss is weight 5, task_weight 2, cosine 1 at temperature 2, on
// masked words.
#pragma once

#include <string>

#include "core/distill/projection.h"

namespace espalier {

// t^2 KL(softmax(teacher / t) || softmax(student / t)), mean over rows. Both [B,C]; scalar.
// `counts`, [B] bool: rows that count, undefined for all.
Tensor kl_with_temperature(const Tensor& student, const Tensor& teacher, double temperature,
                           const Tensor& counts = {});
// The same of yes or no: sigmoids instead of softmax, mean over all entries.
Tensor binary_kl_with_temperature(const Tensor& student, const Tensor& teacher, double temperature);

// Of masked language models: the KL over the words that are asked for, whose logits a walk leaves
// alone, plus, where both models follow sentences, that of their sentence logits over the rows
// whose label is known; weighed against the words as task_loss() weighs it, so that micro-batches
// add up.
Tensor word_kl_with_temperature(const Trace& student, const Trace& teacher, const Batch& batch,
                                double temperature);

// What the student should learn of a teacher's answers, by the task's objective: the losses above,
// of numbers the squared error. Scalar, a mean over the answers.
Tensor soft_answer_loss(Objective objective, const Trace& student, const Trace& teacher,
                        const Batch& batch, double temperature);

// Throws INVALID_ARGUMENT, naming the distiller, where a teacher's answers and the student's do not
// stand beside each other: another number of classes or, of masked language models, of words.
void check_same_answers(Session& session, const std::string& owner);

// Mean over tokens of 1 - cos; [N,D] both, scalar.
Tensor cosine_distance(const Tensor& student, const Tensor& teacher);

class SoftLabels : public Distiller {
 public:
  struct Options {
    double temperature = 2, weight = 1, task_weight = 0.5, cosine = 0;
    void read(OptionReader& reader);
  };
  explicit SoftLabels(Options options)
      : options_(options),
        projection_("soft_labels", Projection::Where::kWidthsDiffer, kProjectionLearningRate) {}
  void prepare(Session& session) override;
  Tensor loss(const Pass& pass) override;
  double task_weight(const Step&) const override { return options_.task_weight; }
  void folded(Session&, const FoldMap& map) override {
    if (options_.cosine > 0) projection_.folded(map);
  }
  std::vector<ParamGroup> parameters() override { return projection_.parameters(); }
  Needs needs() const override;
  void save(State& state) const override { projection_.save(state); }
  void load(const State& state) override { projection_.load(state); }

 private:
  Options options_;
  Projection projection_;  // of the cosine term, where widths differ
  Objective objective_ = Objective::kClass;
};

}  // namespace espalier
