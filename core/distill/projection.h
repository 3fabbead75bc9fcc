// A Linear that a distiller owns: student states into the teacher's space, so that hidden states of
// different widths can be compared. weight [D_t, D_s], bias [D_t], trained with the student; shared
// by all layers, as in TinyBERT (arXiv 1909.10351) and CoFi (arXiv 2204.00408).
//
// It starts as the identity where the widths agree, else from N(0, 0.02) with a zero bias.
//
// When the student loses hidden dimensions by fold(), the columns of what is left stay: what was 0
// under gates is absent now, and the projected states are the same as before.
#pragma once

#include <string>
#include <vector>

#include "core/method/method.h"

namespace espalier {

// The papers train the projection with the model's own learning rate. AdamW moves an entry by about
// the learning rate a step, so that at 2e-5 a fresh projection (entries of 0.02) would need a
// thousand steps to become another one; at 1e-4 it needs two hundred, and one that starts as the
// identity is not torn away from it. The training's schedule scales it like the model's.
inline constexpr double kProjectionLearningRate = 1e-4;
// The option `projection_learning_rate`.
void read_projection_learning_rate(OptionReader& reader, double& learning_rate);

// How a projection starts, on the CPU and not trained yet.
Linear fresh_projection(int64_t outputs, int64_t inputs, uint64_t seed);

class Projection {
 public:
  // kWidthsDiffer: states of the teacher's width are compared as they are.
  enum class Where { kAlways, kWidthsDiffer };
  // `owner`: the distiller's name, for seeds and the optimiser.
  Projection(std::string owner, Where where, double learning_rate);

  // For the session's model and its first teacher. What load() brought is kept if it fits them.
  void prepare(Session& session);
  // [..., D_s] -> [..., D_t]
  Tensor forward(const Tensor& states) const;
  std::vector<ParamGroup> parameters() const;
  // Nothing trains it between this and the next prepare().
  void folded(const FoldMap& map);
  void save(State& state) const;
  void load(const State& state);

  const Linear& linear() const { return linear_; }  // undefined where nothing is projected

 private:
  std::string owner_;
  Where where_;
  double learning_rate_;
  Linear linear_;
  int64_t outputs_ = 0;  // D_t
};

}  // namespace espalier
