// Predictions during training: a no-grad walk with evaluation gates, without fold or Engine. What
// we report comes from the Engine.
#pragma once

#include <vector>

#include "core/data/dataset.h"
#include "core/model/gates.h"

namespace espalier {

// Of the examples' inputs, in their order; dropout off.
std::vector<Prediction> predict_examples(const Model& model, const Gates& gates,
                                         const Examples& examples, const Task& task);

// The task's first metric on the examples, in points.
double first_metric(const Model& model, const Gates& gates, const Examples& examples,
                    const Task& task);

}  // namespace espalier
