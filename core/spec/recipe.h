// A recipe as core runs it: everything filled in. The JSON has the field names of proto
// espalier.v1.Recipe.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/spec/catalogue.h"
#include "core/spec/target_spec.h"
#include "core/spec/tasks.h"
#include "core/spec/training_spec.h"

namespace espalier {

struct MethodChoice {
  std::string name;  // empty: none
  Json options = Json::object();
};

// Stands among a job's teachers for the job's own dense model.
inline constexpr char kOwnTeacher[] = "dense";

struct RecipeSpec {
  std::string recipe = "auto";
  TargetSpec target;
  double max_metric_drop = -1;    // points; < 0: no limit
  std::string constraint_metric;  // of the drop; empty: the one that decides on the data set
  // Publish the smallest of the milestones and the target that keeps the constraint.
  bool search = false;
  // That the drop's interval, not its estimate alone, has to keep it: 0.95, say; 0: the estimate.
  double confidence = 0;
  MethodChoice pruner, exit;
  std::vector<MethodChoice> distillers;
  TrainingSpec finetune, prune, recover, exits;
  bool refit = false;                      // of output matrices by least squares after pruning
  double exit_max_metric_drop = 1.0;       // points the exits may cost on the calibrate split
  Precision precision = Precision::kFp32;  // of the published weights, spec/stored_weights.h
  std::optional<int> max_length;           // of a text in tokens; none: see text_length()
  uint64_t seed = 1;
};

// Fills every default of what a user wrote: recipe "auto" picks a pruner, a distiller and, if the
// task can leave early or is not known, an exit method; recipe "dense" leaves them out. Checks
// everything that needs no weights; messages say what was asked and what would work
// ("target.sparsity is 1.5; it must be at least 0 and less than 1"). Unknown fields are refused by
// name. What this build cannot aim at yet (a named machine) is UNIMPLEMENTED, said so.
// Returns the resolved JSON, in which methods carry their "digest"; a method that is left out
// stands there as {"name": "none"}, which users may write too. Resolving twice changes nothing.
absl::StatusOr<Json> resolve_recipe(const Json& written, const Catalogue& catalogue,
                                    const std::optional<TaskKind>& task = {});

// Reads a resolved recipe.
absl::StatusOr<RecipeSpec> read_recipe(const Json& resolved);

// Tokens of the longest text that a job reads: what its recipe asks for, else 128 or, where that is
// less, as many as the model has positions for. INVALID_ARGUMENT where it asks for more than those.
absl::StatusOr<int> text_length(const RecipeSpec& recipe, int positions);

}  // namespace espalier
