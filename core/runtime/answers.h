// From a walk's logits to answers.
#pragma once

#include <vector>

#include "core/model/trace.h"
#include "core/runtime/engine.h"

namespace espalier::runtime {

// One answer a row of the batch.
std::vector<Answer> answers_of(Objective objective, const Trace& trace, const Batch& batch);

}  // namespace espalier::runtime
