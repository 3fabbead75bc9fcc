// The encoded splits of a data set.
#pragma once

#include <string>
#include <vector>

#include "core/task/examples.h"

namespace espalier {

// train: weights; select: checkpoints; calibrate: thresholds; report: the figures we print. No row
// serves two of them.
struct Splits {
  Examples train, select, calibrate, report;
  std::vector<std::string> label_names;
};

}  // namespace espalier
