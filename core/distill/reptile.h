// Reptile distillation (Ma et al. 2022, COLING, "Knowledge Distillation with Reptile
// Meta-Learning"): the teacher learns beside the student, towards where one step would take the
// student, so that it does not stay out of the student's reach. With
//
//   L(s, t) = (1 - alpha) CE(s, label) + alpha T^2 KL(t || s)
//
// of student s and teacher t, in every optimiser step:
//   1. s' = s after one AdamW step on L(s, t), its gradient clipped and its moments fresh
//   2. the teacher's tensors t_i get t_i - s'_i for a gradient, clipped together, and take an AdamW
//      step with moments of their own
//   3. the student, from s and not from s', takes its step on L(s, t) against the new teacher: that
//      is the trainer's own step, of which task_weight gives the first part and loss() the other
// The teacher that learns is this distiller's own copy; the session's stays what it is.
//
// Pairs t_i, s_i are tensors of one name and one shape: embeddings, pooler, classifier, and in the
// layers what `layers` pairs (layer_movers). Tensors whose shapes differ are left out, as are all
// where the hidden widths do. A student that was cut out of its teacher has the teacher's depth,
// absent layers included, and all four pair like with like. Folding can end it: a student that lost
// hidden dimensions pairs with nothing any more, its teacher then rests and this is soft_labels; a
// student that starts like that is refused. The teacher also rests where nothing of the student
// learns (exits alone are trained).
//
// The word table is a pair like any other: read or not, all its rows move in the teacher. In step 1
// its gradient holds the rows that were read (model/embedding.h), and of the others only the weight
// decay, where there is one, is felt; so AdamW has it for a gradient of 0, too.
//
// Costs: for every tensor with a pair a copy and two moments, all of it in checkpoints, and during
// a step the student's gradient and the pairs' differences; of time two walks of the teacher and
// two ways back through the student's graph. The whole batch at once: step 1 is not linear in the
// gradient.
//
// Differences from the paper's code: steps 1 and 3 share one forward pass and so one dropout mask,
// where it draws two (our graphs can be walked back twice, recomputed ones too, which draw their
// masks again). Learning rates of steps 1 and 2 follow the student's schedule, the teacher's as
// `teacher_rate` times it; its own step 1 always has the rate's peak. Its AdamW adds eps before the
// bias correction, ours behind it, as LibTorch's. Any depths, not 6 and 12 alone; any objective of
// soft_labels.h. The teacher is walked without dropout, as there, and in fp32 always.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/method/method.h"
#include "core/model/train_backend.h"

namespace espalier {

// By teacher layer the student layer that moves it, or -1. Of 6 and 12 layers:
//   skip   1 3 5 7 9 11 by 0 .. 5: the uniform map of layer_map.h
//   first  0 .. 5 by 0 .. 5
//   last   6 .. 11 by 0 .. 5
//   both   0 and 1 by 0, 2 and 3 by 1, ...
// A deeper student moves its teacher by its layers that skip, first, last or both then pick.
std::vector<int> layer_movers(const std::string& layers, int student, int teacher);

// How far AdamW goes from a weight.
struct AdamWStep {
  double rate = 0, weight_decay = 0;
  static constexpr double kMean = 0.9, kSize = 0.999, kEps = 1e-8;  // LibTorch's, and the paper's
};
// A weight after AdamW's first step on the gradient grad x scale, of which both moments are its
// own: they and their bias corrections cancel to g / (|g| + eps). All of the weight's shape; `grad`
// may be sparse, coalesced rows of it; `scale` []. The weight stays as it is.
Tensor after_first_step(const Tensor& weight, const Tensor& grad, const Tensor& scale,
                        const AdamWStep& step);

class Reptile : public Distiller {
 public:
  struct Options {
    double alpha = 0.5, temperature = 5, teacher_rate = 1, weight_decay = 0, clip = 1;
    std::string layers = "skip";
    void read(OptionReader& reader);
  };
  explicit Reptile(Options options) : options_(std::move(options)) {}
  void prepare(Session& session) override;
  // Moves the teacher when a step first asks, and then tells what it teaches.
  Tensor loss(const Pass& pass) override;
  double task_weight(const Step&) const override { return 1 - options_.alpha; }
  Needs needs() const override;
  // What of the teacher has moved or may, with its moments.
  void save(State& state) const override;
  void load(const State& state) override;

  const Model& teacher() const { return teacher_; }

 private:
  // A tensor of the teacher that learns, or has.
  struct Learner {
    Tensor weight, mean, size, count;
    std::string student;  // the name of its pair; empty: none any more
  };
  void pair(Session& session);
  Tensor answer_loss(const Pass& pass);
  void learn(const Pass& pass);
  void step_teacher(const std::map<std::string, Tensor>& differences, double rate);

  Options options_;
  Objective objective_ = Objective::kClass;
  Model teacher_;  // shares with the session's what no learner is
  std::unique_ptr<TrainBackend> backend_;
  std::map<std::string, Learner> learners_;  // by name in the teacher
  std::map<std::string, Tensor> student_;    // the session's model
  bool learns_ = false;                      // there are pairs
  int64_t learnt_at_ = -1;                   // the last step that moved the teacher
};

}  // namespace espalier
