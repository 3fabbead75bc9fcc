// SKDBERT (Ding et al. 2023, AAAI, arXiv 2211.14466): one of several teachers of different strength
// is drawn in every step, and teaches alone what soft_labels.h says:
//
//   k ~ chances,  loss = task_weight x CE(student, label) + weight x t^2 x KL(teacher k || student)
//
// In expectation that is the mean of the teachers' losses by their chances, at the cost of one: the
// others are not walked in that step. The draw is a function of the job's seed and of the step.
// With one teacher this is the distiller soft_labels.
//
// `sampling` is how the chances come about:
//   uniform       all the same
//   teacher_rank  by the teachers' own figures on the select split (Teacher::figure)
//   listed        by the order in which the recipe names them, the worst one first. So a user gives
//                 the paper's student rank, by what a student reaches that one teacher alone has
//                 taught: it takes a training for each of them
// How the paper turns a rank into a chance we could not verify, and there is no released code: ours
// is rank / sum of the ranks, where the worst has rank 1 and equal figures share the mean of their
// ranks. Its multi-teacher baseline, all teachers in every step, divides by each teacher's own
// cross-entropy, which has no meaning for the other objectives: left out.
#pragma once

#include <string>
#include <vector>

#include "core/method/method.h"

namespace espalier {

// The chance of each, rank / sum of ranks; the lowest figure has rank 1.
std::vector<double> rank_chances(const std::vector<double>& figures);
// One of them; the same for the same seed.
size_t drawn_teacher(const std::vector<double>& chances, uint64_t seed);

class SkdBert : public Distiller {
 public:
  struct Options {
    std::string sampling = "uniform";
    double temperature = 2, weight = 1, task_weight = 0.5;  // as soft_labels has them
    void read(OptionReader& reader);
  };
  explicit SkdBert(Options options) : options_(std::move(options)) {}
  // Throws FAILED_PRECONDITION where a rank needs a figure and a teacher has none.
  void prepare(Session& session) override;
  void before_step(Session& session, const Step& step) override;
  Tensor loss(const Pass& pass) override;
  double task_weight(const Step&) const override { return options_.task_weight; }
  Needs needs() const override;

  const std::vector<double>& chances() const { return chances_; }
  size_t drawn() const { return drawn_; }  // the teacher of this step

 private:
  Options options_;
  Objective objective_ = Objective::kClass;
  std::vector<double> chances_;
  size_t drawn_ = 0;
};

}  // namespace espalier
