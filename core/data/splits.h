// The encoded splits of a data set.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "core/task/examples.h"

namespace espalier {

// train: weights; select: checkpoints; calibrate: thresholds; report: the figures we print;
// unlabelled, which may be empty: what a teacher says of it. No row serves two of them. Labels are
// known of all rows, but for those of unlabelled and, perhaps, of calibrate where rows have one
// class each: there none is known then.
struct Splits {
  Examples train, select, calibrate, report, unlabelled;
  std::vector<std::string> label_names;

  std::array<const Examples*, 5> each() const {
    return {&train, &select, &calibrate, &report, &unlabelled};
  }
};

}  // namespace espalier
