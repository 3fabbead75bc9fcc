// The curve of a training for the report: few enough points to be drawn and to go with every
// checkpoint. Which stay follows from the points and the steps alone, so a resumed training has the
// curve of an undisturbed one.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "core/base/options.h"

namespace espalier {

inline constexpr int64_t kCurveSteps = 200, kCurveEvaluations = 1000;

// Adds a step, from 1, to `curve`, an array (or null: of no step so far) of
// {"step", "loss", "select_metric", what else `metrics` has to say of a method}; of its metrics
// those that a recipe settles are left out, and select_metric where it is of an earlier step.
//
// The first step and every evaluation stay; of the others each, each second, fourth ..., so that
// there are at most kCurveSteps. More than kCurveEvaluations evaluations lose every second one.
void add_to_curve(Json& curve, int64_t step, const std::map<std::string, double>& metrics,
                  bool evaluated);

}  // namespace espalier
