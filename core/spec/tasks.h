// The one table of what a model can be trained and asked for. Whoever needs to know how a task's
// labels, head, loss or answers look asks for its objective here; nobody compares names.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/spec/model_config.h"

namespace espalier {

// What an example is answered with; C: labels, T: tokens of the example.
enum class Objective {
  kClass,         // one of C classes: softmax over C logits
  kValue,         // a number: one logit, squared error
  kLabels,        // any of C labels: C logits, each a yes or no of its own
  kTokenClasses,  // one of C classes for every token: T x C logits
  kWords,         // the words of the tokens that are asked for; with pairs of texts, C = 2: whether
                  // the second follows the first
  kSpan,          // a span of the tokens, or none: T x 2 logits, of its start and of its end
};

// What an example is: a text or a pair of texts, or an encoded image.
enum class Reads { kText, kImage };

struct TaskKind {
  const char* name;
  HeadKind head;
  Objective objective;
  Reads reads = Reads::kText;
};

// INVALID_ARGUMENT names the known tasks.
absl::StatusOr<TaskKind> find_task(const std::string& name);

// The task that a head was trained for elsewhere, as far as config.json tells: a text head of one
// output that says nothing of its problem_type is a regression, as in the reference.
// INVALID_ARGUMENT where that is no task of ours.
absl::StatusOr<std::string> task_of(const ModelConfig& config);

// What config.json says of a head that answers so; kUnstated for heads that are no sequence heads.
ProblemType problem_of(Objective objective);

inline Reads reads_of(const ModelConfig& config) {
  return config.reads_images() ? Reads::kImage : Reads::kText;
}

// INVALID_ARGUMENT where the model, of this family, reads something else than the task has for it.
absl::Status check_reads(const TaskKind& kind, Reads model, const std::string& family);

// Whether the labels are "O" and entities, as B-PER and I-PER.
bool mark_entities(const std::vector<std::string>& labels);

// INVALID_ARGUMENT where the task cannot leave early: exits answer with one class so far. An empty
// method is none.
absl::Status check_exit_method(const TaskKind& kind, const std::string& method);

// The one label name that kSpan has: where questions may have no answer in their context.
inline constexpr char kNoAnswer[] = "no answer";

// Whether every token has logits of its own.
inline bool answers_tokens(Objective objective) {
  return objective == Objective::kTokenClasses || objective == Objective::kSpan;
}
// Whether the label names are those of the head's outputs.
inline bool labels_name_outputs(Objective objective) {
  return objective != Objective::kValue && objective != Objective::kSpan;
}
// Outputs of the head for so many label names.
inline int head_outputs(Objective objective, int labels) {
  if (objective == Objective::kSpan) return 2;
  return objective == Objective::kValue ? 1 : labels;
}
// A data set with fewer label names cannot be learned.
inline int fewest_labels(Objective objective) {
  if (objective == Objective::kValue || objective == Objective::kSpan ||
      objective == Objective::kWords)
    return 0;
  return objective == Objective::kLabels ? 1 : 2;
}

// Whether a data set has a label column in any case.
inline bool needs_labels(Objective objective) { return objective != Objective::kWords; }

// Metrics that may decide about a model with these labels, the default first; the more the better,
// all of them.
std::vector<std::string> deciding_metrics(Objective objective,
                                          const std::vector<std::string>& labels);
// INVALID_ARGUMENT names the metrics that would work. An empty name is the default.
absl::Status check_metric(Objective objective, const std::vector<std::string>& labels,
                          const std::string& metric);

}  // namespace espalier
