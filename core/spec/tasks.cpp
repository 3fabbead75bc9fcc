#include "core/spec/tasks.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace espalier {
namespace {

constexpr TaskKind kTasks[] = {
    {"text-classification", HeadKind::kSequence, Objective::kClass},
    {"regression", HeadKind::kSequence, Objective::kValue},
    {"multi-label-classification", HeadKind::kSequence, Objective::kLabels},
    {"token-classification", HeadKind::kToken, Objective::kTokenClasses},
    {"fill-mask", HeadKind::kMaskedLm, Objective::kWords},
    {"question-answering", HeadKind::kToken, Objective::kSpan},
    {"image-classification", HeadKind::kSequence, Objective::kClass, Reads::kImage},
};

const char* name_of(Reads reads) { return reads == Reads::kImage ? "images" : "texts"; }

}  // namespace

absl::StatusOr<TaskKind> find_task(const std::string& name) {
  const auto* found = std::find_if(std::begin(kTasks), std::end(kTasks),
                                   [&](const TaskKind& kind) { return name == kind.name; });
  if (found != std::end(kTasks)) return *found;
  return absl::InvalidArgumentError(absl::StrCat(
      "task is \"", name,
      "\"; known: ", absl::StrJoin(kTasks, ", ", [](std::string* out, const TaskKind& kind) {
        out->append(kind.name);
      })));
}

absl::StatusOr<std::string> task_of(const ModelConfig& config) {
  if (config.head == HeadKind::kToken)
    return config.spans ? "question-answering" : "token-classification";
  if (config.head == HeadKind::kMaskedLm) return "fill-mask";
  ProblemType problem = config.problem;
  if (problem == ProblemType::kUnstated) {
    const bool number = config.classes == 1 && !config.reads_images();
    problem = number ? ProblemType::kRegression : ProblemType::kSingleLabel;
  }
  if (problem == ProblemType::kSingleLabel)
    return config.reads_images() ? "image-classification" : "text-classification";
  if (config.reads_images()) {
    return absl::InvalidArgumentError(
        "problem_type of a model that reads images must be \"single_label_classification\" so far");
  }
  if (problem == ProblemType::kMultiLabel) return "multi-label-classification";
  if (config.classes == 1) return "regression";
  return absl::InvalidArgumentError(absl::StrCat("problem_type is \"regression\" and the head has ",
                                                 config.classes,
                                                 " outputs; a regression has one here"));
}

ProblemType problem_of(Objective objective) {
  switch (objective) {
    case Objective::kClass:
      return ProblemType::kSingleLabel;
    case Objective::kValue:
      return ProblemType::kRegression;
    case Objective::kLabels:
      return ProblemType::kMultiLabel;
    default:
      return ProblemType::kUnstated;
  }
}

absl::Status check_reads(const TaskKind& kind, Reads model, const std::string& family) {
  if (kind.reads == model) return absl::OkStatus();
  std::vector<std::string> tasks;
  for (const TaskKind& other : kTasks) {
    if (other.reads == model) tasks.push_back(other.name);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "the task is ", kind.name, ", which reads ", name_of(kind.reads), ", but the model, a ",
      family, ", reads ", name_of(model), "; its tasks: ", absl::StrJoin(tasks, ", ")));
}

bool mark_entities(const std::vector<std::string>& labels) {
  bool any = false;
  for (const std::string& label : labels) {
    if (label == "O") continue;
    const bool marks = label.size() > 1 && label[1] == '-' &&
                       std::string_view("BIES").find(label[0]) != label.npos;
    if (!marks) return false;
    any = true;
  }
  return any;
}

absl::Status check_exit_method(const TaskKind& kind, const std::string& method) {
  if (method.empty() || kind.objective == Objective::kClass) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("early exits answer with one class so far, and the task is ", kind.name,
                   "; choose the exit method \"none\""));
}

std::vector<std::string> deciding_metrics(Objective objective,
                                          const std::vector<std::string>& labels) {
  switch (objective) {
    case Objective::kValue:
      return {"pearson", "spearman"};
    case Objective::kLabels:
      return {"micro_f1", "macro_f1", "subset_accuracy"};
    case Objective::kTokenClasses:
      if (mark_entities(labels)) return {"entity_f1", "token_accuracy"};
      return {"token_accuracy"};
    case Objective::kWords:
      if (!labels.empty()) return {"masked_accuracy", "next_sentence_accuracy"};
      return {"masked_accuracy"};
    case Objective::kSpan:
      return {"f1", "exact_match"};
    case Objective::kClass:
      break;
  }
  if (labels.size() == 2) return {"accuracy", "f1", "macro_f1", "matthews"};
  return {"accuracy", "macro_f1", "matthews"};
}

absl::Status check_metric(Objective objective, const std::vector<std::string>& labels,
                          const std::string& metric) {
  const std::vector<std::string> known = deciding_metrics(objective, labels);
  if (metric.empty() || std::find(known.begin(), known.end(), metric) != known.end())
    return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "metric is \"", metric, "\"; this data set can be judged by: ", absl::StrJoin(known, ", ")));
}

}  // namespace espalier
