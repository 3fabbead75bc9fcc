// Sparsity over time.
#pragma once

#include <algorithm>
#include <cstdint>

namespace espalier {

// Cubic ramp of Zhu & Gupta 2017 (GMP): 0 until `begin`, `target` from `end` on; begin and end are
// shares of the steps. s(t) = target (1 - (1 - t)^3).
inline double cubic_sparsity(int64_t step, int64_t total, double begin, double end, double target) {
  double position = total > 0 ? static_cast<double>(step) / static_cast<double>(total) : 1;
  double t = end > begin ? (position - begin) / (end - begin) : (position >= end ? 1 : 0);
  t = std::clamp(t, 0.0, 1.0);
  double left = 1 - t;
  return target * (1 - left * left * left);
}

// Linear warm-up to 1, then linear decay to 0.
inline double linear_warmup_decay(int64_t step, int64_t total, double warmup) {
  double position =
      (static_cast<double>(step) + 1) / static_cast<double>(std::max<int64_t>(total, 1));
  if (warmup > 0 && position < warmup) return position / warmup;
  return std::max(0.0, (1 - position) / std::max(1e-9, 1 - warmup));
}

}  // namespace espalier
