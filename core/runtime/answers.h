// From a walk's logits to answers.
#pragma once

#include <vector>

#include "core/model/trace.h"
#include "core/runtime/engine.h"

namespace espalier::runtime {

// One answer for each of the walk's rows. Of kWords the logits, which are as many as the vocabulary
// for every asked word, leave the device for those rows only that are to have them.
std::vector<Answer> answers_of(Objective objective, HeadKind head, const Trace& trace,
                               std::span<const Row> rows);

}  // namespace espalier::runtime
