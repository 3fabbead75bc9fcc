// A job as the user writes it, as one JSON document that the recipe file starts and flags change:
//
//   {"model": "minilm", "dataset": "reviews", "recipe": {"target": {"sparsity": 0.6}, ...}}
//
// In a YAML file the recipe's fields stand beside `model` and `dataset`:
//
//   model: minilm
//   dataset: reviews
//   target: {sparsity: 0.6}
//   pruner: taylor                # or {name: taylor, options: {...}}
//   distillers: [soft_labels]
//   prune: {epochs: 3, learning_rate: 1e-4}
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/options.h"
#include "espalier/v1/job.pb.h"

namespace espalier::cli {

// What `jobs submit` takes as flags; empty or unset: not given.
struct JobFlags {
  std::string recipe_file, model, dataset, artifact, pruner, exit, base_recipe, precision;
  std::optional<double> sparsity, speedup, latency_ms, size_bytes, max_drop;
  std::vector<std::string> distillers, teachers, milestones;
  bool search = false, refit = false;
  std::vector<std::string> pruner_options, distiller_options,
      exit_options;  // key=value; name.key=value
  std::optional<double> finetune_epochs, prune_epochs, recover_epochs, exit_epochs;
  std::optional<int64_t> seed, max_length;
  std::vector<std::string> labels;       // key=value
  std::vector<std::string> assignments;  // recipe.prune.learning_rate=1e-4
};

// The document of a recipe file's text.
absl::StatusOr<Json> read_recipe_document(const std::string& yaml, const std::string& origin);
// Flags win over the file, --set over flags.
absl::Status apply_flags(const JobFlags& flags, Json& document);
// One --set: a dotted path below the job; numbers index lists; the value is a YAML scalar or flow.
absl::Status assign(const std::string& assignment, Json& document);
// INVALID_ARGUMENT names an unknown field with the known ones, and a value of the wrong type with
// its place.
absl::StatusOr<v1::Job> to_job(const Json& document);

// All of it: the file that `flags` name, then the flags.
absl::StatusOr<v1::Job> job_of(const JobFlags& flags);

}  // namespace espalier::cli
