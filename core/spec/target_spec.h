// The goal of a recipe: how small or fast the result shall be, and what is passed on the way.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "core/base/options.h"

namespace espalier {

enum class TargetKind { kNone, kSparsity, kSpeedup, kLatency, kParameters, kBytes, kMacs };
struct TargetSpec {
  TargetKind kind = TargetKind::kNone;
  double value = 0;
  // Of times: the batch that is timed. 0 tokens: the data set's median.
  int rows = 1, tokens = 0;
  // Values of the same goal that the run passes on its way, the nearest to the dense model first.
  std::vector<double> milestones;
  // Whether a smaller value is the harder goal.
  bool falls() const {
    return kind == TargetKind::kLatency || kind == TargetKind::kParameters ||
           kind == TargetKind::kBytes || kind == TargetKind::kMacs;
  }
};

// A recipe's `target`; kNone for an empty one. INVALID_ARGUMENT says what would work; what this
// build cannot aim at yet is UNIMPLEMENTED.
absl::StatusOr<TargetSpec> read_target(const Json& json);
// The same back, with and without milestones.
Json write_target(const TargetSpec& target);
Json goal_json(const TargetSpec& target);

}  // namespace espalier
