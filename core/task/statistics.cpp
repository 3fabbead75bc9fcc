#include "core/task/statistics.h"

#include <algorithm>
#include <cmath>

#include "core/task/beta.h"

namespace espalier {
namespace {

// x with cdf(x) = goal for a rising cdf on [0, 1].
template <class F>
double invert(F&& cdf, double goal) {
  double low = 0, high = 1;
  for (int i = 0; i < 200 && high - low > 1e-15; ++i) {
    const double middle = 0.5 * (low + high);
    (cdf(middle) < goal ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace

Interval clopper_pearson(int64_t successes, int64_t trials, double confidence) {
  if (trials <= 0) return {0, 1};
  const double k = static_cast<double>(std::clamp<int64_t>(successes, 0, trials)),
               n = static_cast<double>(trials);
  const double tail = 0.5 * (1 - confidence);
  Interval out{0, 1};
  // P(X >= k | p) = I_p(k, n-k+1); P(X <= k | p) = 1 - I_p(k+1, n-k).
  if (k > 0) out.low = invert([&](double p) { return incomplete_beta(k, n - k + 1, p); }, tail);
  if (k < n)
    out.high = invert([&](double p) { return incomplete_beta(k + 1, n - k, p); }, 1 - tail);
  return out;
}

double mcnemar_exact(std::span<const bool> first_right, std::span<const bool> second_right) {
  int64_t only_first = 0, only_second = 0;
  for (size_t i = 0; i < std::min(first_right.size(), second_right.size()); ++i) {
    only_first += first_right[i] && !second_right[i];
    only_second += second_right[i] && !first_right[i];
  }
  const int64_t n = only_first + only_second, k = std::min(only_first, only_second);
  if (2 * k == n) return 1;
  // Twice P(X <= k) of a fair coin; P(X <= k) = I_{1/2}(n-k, k+1).
  return std::min(1.0,
                  2 * incomplete_beta(static_cast<double>(n - k), static_cast<double>(k + 1), 0.5));
}

}  // namespace espalier
