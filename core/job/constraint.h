// What a job says whose published model lost more of the metric than its recipe allows.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "core/spec/precision.h"

namespace espalier {

struct MetricDrop {
  std::string metric;
  double before = 0, after = 0;  // on the select split, in points
  double allowed = 0;            // points
  bool prunes = false, exits = false;
  Precision precision = Precision::kFp32;
  double drop_in_fp32 = 0;  // of the same model with weights and products in fp32

  double drop() const { return before - after; }
};

// OK, or FAILED_PRECONDITION with what is to blame, the precision or what was done before it, and
// so what would work.
absl::Status check_drop(const MetricDrop& drop);

}  // namespace espalier
