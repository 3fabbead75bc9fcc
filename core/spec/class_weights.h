// What a label counts in training: the class_weights of a data set, C labels.
//
//   kClass, kTokenClasses  torch.nn.CrossEntropyLoss(weight): over the batch of an optimiser step,
//                          the sum of weight * loss over the sum of the weights, where every row
//                          or token that counts has the weight of its own label
//   kLabels                torch.nn.BCEWithLogitsLoss(pos_weight): a yes to the label counts its
//                          weight, a no counts 1, and the mean is over rows and labels as ever
//
// The other objectives have none. Metrics do not know of weights, nor do the losses of distillers,
// which ask for a teacher's answers and not for labels.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/options.h"
#include "core/spec/targets.h"
#include "core/spec/tasks.h"

namespace espalier {

// Not 0: a step that holds no other label would be a mean over nothing. Rows of a label that should
// not count are better left out of train.
inline constexpr double kLeastClassWeight = 1e-6, kMostClassWeight = 1e6;

// One of the two, or neither.
struct ClassWeights {
  bool balanced = false;                  // see weights_by_id()
  std::map<std::string, double> weights;  // by label name; one that is not named has 1

  bool none() const { return !balanced && weights.empty(); }
};

// The field of a data set's JSON: {"balanced": true} or {"weights": {"positive": 3}}.
// INVALID_ARGUMENT for both at once, and for weights that are not between the two bounds above.
absl::StatusOr<ClassWeights> read_class_weights(const Json& field);

// INVALID_ARGUMENT where the answers of the task are no labels.
absl::Status check_class_weights(const ClassWeights& asked, const TaskKind& kind);
// INVALID_ARGUMENT names the known labels where another one is weighed.
absl::Status check_weighed_names(const ClassWeights& asked, const std::vector<std::string>& labels);

// The weight of every label, [C]; empty where nothing is weighed. `train`: the targets that are
// trained on, as Rows or Examples have them; a negative id is a token that does not count.
//
// Balanced are
//   kClass, kTokenClasses  n / (k * n_y) for n rows or tokens, n_y of them with the label, and k
//                          labels that occur, as scikit-learn's compute_class_weight("balanced")
//   kLabels                rows without the label over rows with it, as the documentation of
//                          BCEWithLogitsLoss proposes
// Where scikit-learn refuses a label that does not occur, it has 1 here and nothing ever reads it;
// so has one of kLabels that no row or every row has.
absl::StatusOr<std::vector<double>> weights_by_id(const ClassWeights& asked, Objective objective,
                                                  const Targets& train,
                                                  const std::vector<std::string>& labels);

}  // namespace espalier
