// What a job says whose published model lost more of the metric than its recipe allows.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "core/base/options.h"
#include "core/spec/precision.h"

namespace espalier {

struct MetricDrop {
  std::string metric, split = "select";
  double before = 0, after = 0;  // on the split, in points
  double low = 0, high = 0;      // of the drop: the paired interval
  double allowed = 0;            // points
  double confidence = 0;  // at which the interval's high end has to keep it; 0: the drop does
  bool prunes = false, exits = false;
  Precision precision = Precision::kFp32;
  // Of the same model with weights and products in fp32, and the interval's high end.
  double drop_in_fp32 = 0, high_in_fp32 = 0;

  double drop() const { return before - after; }
  bool holds() const { return (confidence > 0 ? high : drop()) <= allowed; }
  bool holds_in_fp32() const { return (confidence > 0 ? high_in_fp32 : drop_in_fp32) <= allowed; }
  Json to_json() const;
};

// OK, or FAILED_PRECONDITION with what is to blame, the precision or what was done before it, and
// so what would work.
absl::Status check_drop(const MetricDrop& drop);

}  // namespace espalier
