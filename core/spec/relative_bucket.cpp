#include "core/spec/relative_bucket.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace espalier {

int64_t relative_bucket(int64_t distance, int64_t buckets, int64_t max_distance) {
  const int64_t half = buckets / 2, exact = half / 2, away = std::abs(distance);
  const int64_t side = distance > 0 ? half : 0;
  if (away < exact) return side + away;
  // In float, as the reference: its bucket limits fall where its rounding puts them.
  const float share =
      std::log(static_cast<float>(away) / static_cast<float>(exact)) /
      static_cast<float>(std::log(static_cast<double>(max_distance) / static_cast<double>(exact)));
  const auto far = exact + static_cast<int64_t>(share * static_cast<float>(half - exact));
  return side + std::min(far, half - 1);
}

}  // namespace espalier
