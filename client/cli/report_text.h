// report.json for people.
#pragma once

#include <string>

#include "core/base/options.h"

namespace espalier::cli {

// Dense against compressed side by side, as far as the report has both, and a drawing of what is
// left of each layer; everything else below as indented lines, trainings without their curves.
// Unknown keys are shown, missing ones are not.
std::string report_text(const Json& report);

}  // namespace espalier::cli
