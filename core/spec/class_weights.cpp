#include "core/spec/class_weights.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/spec/fields.h"
#include "core/spec/labels.h"

namespace espalier {
namespace {

std::map<std::string, double> read_weights(Fields& fields, const Json& by_name) {
  std::map<std::string, double> out;
  Fields weights(by_name, fields.path("weights"));
  if (!weights.status().ok()) {
    fields.check(weights.status());
    return out;
  }
  for (const auto& [name, value] : by_name.items()) {
    // It can be no label, and would only fill the message.
    if (name.size() > kMaxLabelBytes) {
      weights.fail(absl::StrCat(fields.path("weights"), " names a label of ", name.size(),
                                " bytes; at most ", kMaxLabelBytes, " are allowed"));
    }
    double weight = 1;
    weights.number(name, weight, {kLeastClassWeight, kMostClassWeight});
    out.emplace(name, weight);
  }
  fields.check(weights.status());
  return out;
}

bool has_weights(Objective objective) {
  return objective == Objective::kClass || objective == Objective::kTokenClasses ||
         objective == Objective::kLabels;
}

// How many rows, or tokens that count, have each label.
std::vector<double> occurrences(Objective objective, const Targets& targets, size_t labels) {
  std::vector<double> out(labels, 0);
  for (int64_t i = 0; i < targets.size(); ++i) {
    const std::span<const float> target = targets[i];
    for (size_t place = 0; place < target.size(); ++place) {
      if (objective == Objective::kLabels) {
        out[place] += target[place];
      } else if (target[place] >= 0) {
        ++out[static_cast<size_t>(target[place])];
      }
    }
  }
  return out;
}

std::vector<double> balanced_classes(const std::vector<double>& counts) {
  double all = 0, present = 0;
  for (const double count : counts) {
    all += count;
    present += count > 0;
  }
  std::vector<double> out;
  for (const double count : counts) out.push_back(count > 0 ? all / (present * count) : 1);
  return out;
}

std::vector<double> balanced_labels(const std::vector<double>& counts, double rows) {
  std::vector<double> out;
  for (const double yes : counts) out.push_back(yes > 0 && yes < rows ? (rows - yes) / yes : 1);
  return out;
}

int64_t known_rows(const Targets& targets) {
  int64_t out = 0;
  for (int64_t i = 0; i < targets.size(); ++i) out += targets.known(i);
  return out;
}

}  // namespace

absl::StatusOr<ClassWeights> read_class_weights(const Json& field) {
  ClassWeights out;
  Fields fields(field, "class_weights");
  fields.boolean("balanced", out.balanced);
  if (const Json* by_name = fields.find("weights")) out.weights = read_weights(fields, *by_name);
  ESPALIER_RETURN_IF_ERROR(fields.status());
  if (!out.balanced || out.weights.empty()) return out;
  return absl::InvalidArgumentError(absl::StrCat("class_weights is balanced and names ",
                                                 out.weights.size(),
                                                 " weights; one of the two would work"));
}

absl::Status check_class_weights(const ClassWeights& asked, const TaskKind& kind) {
  if (asked.none() || has_weights(kind.objective)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "class_weights is set, but ", kind.name,
      " has no labels to weigh; leave it out, or choose a task that sorts texts, words "
      "or images by labels"));
}

absl::Status check_weighed_names(const ClassWeights& asked,
                                 const std::vector<std::string>& labels) {
  for (const auto& [name, weight] : asked.weights) {
    if (std::find(labels.begin(), labels.end(), name) != labels.end()) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "class_weights names the label \"", name, "\", which is unknown; known: ", listed(labels)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<double>> weights_by_id(const ClassWeights& asked, Objective objective,
                                                  const Targets& train,
                                                  const std::vector<std::string>& labels) {
  ESPALIER_RETURN_IF_ERROR(check_weighed_names(asked, labels));
  if (asked.balanced) {
    const std::vector<double> counts = occurrences(objective, train, labels.size());
    if (objective != Objective::kLabels) return balanced_classes(counts);
    return balanced_labels(counts, static_cast<double>(known_rows(train)));
  }
  std::vector<double> out;
  if (asked.weights.empty()) return out;
  for (const std::string& name : labels) {
    const auto found = asked.weights.find(name);
    out.push_back(found == asked.weights.end() ? 1 : found->second);
  }
  return out;
}

}  // namespace espalier
