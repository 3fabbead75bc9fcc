// From a walk's logits to answers.
#pragma once

#include <vector>

#include "core/model/trace.h"
#include "core/runtime/engine.h"

namespace espalier::runtime {

// One answer for each of the walk's inputs.
std::vector<Answer> answers_of(Objective objective, HeadKind head, const Trace& trace,
                               std::span<const Input* const> inputs);

}  // namespace espalier::runtime
