// What a pruner can take away at most, from shapes alone: for Pruner::check.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "core/method/method.h"

namespace espalier {

// INVALID_ARGUMENT when more is to go than `pruner` can take away, or when what there is to take is
// no matter of the target.
absl::Status check_reachable(const std::string& pruner, double aim, double reachable);
absl::Status check_weights_count(const std::string& pruner, const Aim& aim,
                                 const ModelConfig& config);

// INVALID_ARGUMENT for a model with a layer's matrix stored as two factors: heads, neurons and
// hidden dimensions of those are not counted.
absl::Status check_whole(const std::string& pruner, const ModelConfig& config);

// INVALID_ARGUMENT for a model whose layers' output matrices cannot be solved anew: with single
// weights masked, whose zeros would be lost, or stored as two factors.
absl::Status check_solvable(const std::string& who, const ModelConfig& config);

// Of weights in the layers' matrices that are stored whole.
double whole_weights(const ModelConfig& config);
// Gates with every head and every neuron closed, and the hidden dimensions too where that is asked
// for.
Gates all_closed(const ModelConfig& config, bool hidden);

}  // namespace espalier
