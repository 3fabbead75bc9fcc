// Which parameters a training moves, and how: the model's with and without weight decay, then those
// that methods own.
#pragma once

#include <vector>

#include "core/method/method.h"
#include "core/train/optimiser.h"

namespace espalier {

// Has exactly the model's trained tensors require a gradient. Masks are never trained, and a method
// may hold back more (Method::trains). Biases and norms are not decayed.
std::vector<OptimiserGroup> parameter_groups(Model& model, const TrainingSpec& spec,
                                             const std::vector<Method*>& methods);

}  // namespace espalier
