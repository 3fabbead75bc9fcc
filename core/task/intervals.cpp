#include "core/task/intervals.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "core/base/random.h"

namespace espalier {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Calls `see(rows)` for every resample.
template <class See>
void for_each_resample(int64_t examples, const BootstrapOptions& options, See&& see) {
  std::vector<int64_t> rows(static_cast<size_t>(std::max<int64_t>(examples, 0)));
  for (int resample = 0; resample < options.resamples && examples > 0; ++resample) {
    Random random(derive_seed(options.seed, "bootstrap", resample, 0, "rows"));
    // Not below(), whose divisions would take most of a bootstrap's time. uniform() is below 1 by
    // enough that the product rounds to less than `examples`, and no row is likelier than another
    // by more than examples / 2^53.
    for (int64_t& row : rows)
      row = static_cast<int64_t>(random.uniform() * static_cast<double>(examples));
    see(std::span<const int64_t>(rows));
  }
}

double of_all(int64_t examples, const RowStatistic& statistic) {
  std::vector<int64_t> rows(static_cast<size_t>(std::max<int64_t>(examples, 0)));
  std::iota(rows.begin(), rows.end(), int64_t{0});
  return statistic(rows);
}

// NumPy's default quantile of sorted values: linear between the neighbours of (n - 1) * q.
double quantile(std::span<const double> sorted, double q) {
  const double at = static_cast<double>(sorted.size() - 1) * q;
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  const double share = at - static_cast<double>(below);
  return share == 0 ? sorted[below] : sorted[below] * (1 - share) + sorted[above] * share;
}

Interval percentile_interval(std::vector<double> values, double confidence) {
  if (values.empty()) return {kNan, kNan};
  std::sort(values.begin(), values.end());
  const double tail = std::clamp(0.5 * (1 - confidence), 0.0, 0.5);
  return {quantile(values, tail), quantile(values, 1 - tail)};
}

// z with P(|N(0,1)| <= z) = confidence, by bisection.
double two_sided_z(double confidence) {
  double low = 0, high = 40;
  for (int i = 0; i < 200; ++i) {
    const double middle = 0.5 * (low + high);
    (std::erfc(middle / std::sqrt(2.0)) > 1 - confidence ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

// `variance` of atanh(r) times n - 3.
Interval z_interval(double r, int64_t n, double variance, double confidence) {
  if (n < 4 || std::isnan(r)) return {-1, 1};
  const double centre = std::atanh(std::clamp(r, -1.0, 1.0));
  const double half = two_sided_z(confidence) * std::sqrt(variance / static_cast<double>(n - 3));
  return {std::tanh(centre - half), std::tanh(centre + half)};
}

}  // namespace

BootstrapResult bootstrap(int64_t examples, const RowStatistic& statistic,
                          const BootstrapOptions& options) {
  std::vector<double> values;
  int64_t undefined = 0;
  for_each_resample(examples, options, [&](std::span<const int64_t> rows) {
    const double value = statistic(rows);
    if (std::isnan(value)) {
      ++undefined;
    } else {
      values.push_back(value);
    }
  });
  return {of_all(examples, statistic), percentile_interval(std::move(values), options.confidence),
          undefined};
}

PairedResult paired_bootstrap(int64_t examples, const RowStatistic& first,
                              const RowStatistic& second, const BootstrapOptions& options) {
  PairedResult out;
  std::vector<double> values;
  int64_t at_most_zero = 0, at_least_zero = 0;
  for_each_resample(examples, options, [&](std::span<const int64_t> rows) {
    const double value = second(rows) - first(rows);
    if (std::isnan(value)) {
      ++out.undefined;
      return;
    }
    at_most_zero += value <= 0;
    at_least_zero += value >= 0;
    values.push_back(value);
  });
  out.difference = of_all(examples, second) - of_all(examples, first);
  const auto tail = static_cast<double>(1 + std::min(at_most_zero, at_least_zero));
  out.p_value = std::min(1.0, 2 * tail / static_cast<double>(values.size() + 1));
  out.interval = percentile_interval(std::move(values), options.confidence);
  return out;
}

Interval fisher_interval(double r, int64_t n, double confidence) {
  return z_interval(r, n, 1, confidence);
}

Interval bonett_wright_interval(double r, int64_t n, double confidence) {
  return z_interval(r, n, 1 + 0.5 * r * r, confidence);
}

}  // namespace espalier
