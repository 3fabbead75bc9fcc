// The training curves of a report.
#pragma once

#include <string>

#include "core/base/options.h"

namespace espalier {

// Each training side by side: its loss over its steps, and below it the metric on the select split.
// Losses of different trainings are of different things and have scales of their own; the metric
// has one. "" where no phase of the report has a curve.
std::string curves_svg(const Json& report);

}  // namespace espalier
