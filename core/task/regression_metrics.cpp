#include "core/task/regression_metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace espalier {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

// Values minus their mean, of length 1; empty where all of them are equal. The largest is scaled to
// 1 first, so that squares neither overflow nor vanish.
std::vector<double> centred_unit(std::span<const double> values) {
  if (std::all_of(values.begin(), values.end(), [&](double x) { return x == values[0]; }))
    return {};
  const double mean =
      std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
  std::vector<double> out(values.begin(), values.end());
  double largest = 0, squares = 0;
  for (double& x : out) {
    x -= mean;
    largest = std::max(largest, std::abs(x));
  }
  for (double& x : out) {
    x /= largest;
    squares += x * x;
  }
  const double scale = 1 / std::sqrt(squares);  // squares is at least 1
  for (double& x : out) x *= scale;
  return out;
}

}  // namespace

double pearson(std::span<const double> a, std::span<const double> b) {
  const size_t n = std::min(a.size(), b.size());
  if (n < 2) return kUndefined;
  const std::vector<double> x = centred_unit(a.first(n)), y = centred_unit(b.first(n));
  if (x.empty() || y.empty()) return kUndefined;
  const double r = std::inner_product(x.begin(), x.end(), y.begin(), 0.0);
  return std::isnan(r) ? r : std::clamp(r, -1.0, 1.0);
}

std::vector<double> average_ranks(std::span<const double> values) {
  std::vector<double> out(values.size(), kUndefined);
  if (std::any_of(values.begin(), values.end(), [](double x) { return std::isnan(x); })) return out;
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t i, size_t j) { return values[i] < values[j]; });
  for (size_t first = 0; first < order.size();) {
    size_t end = first + 1;
    while (end < order.size() && values[order[end]] == values[order[first]]) ++end;
    // The mean of the ranks first + 1 .. end.
    const double rank = 0.5 * static_cast<double>(first + 1 + end);
    for (; first < end; ++first) out[order[first]] = rank;
  }
  return out;
}

double spearman(std::span<const double> a, std::span<const double> b) {
  const size_t n = std::min(a.size(), b.size());
  return pearson(average_ranks(a.first(n)), average_ranks(b.first(n)));
}

double mean_squared_error(std::span<const double> truth, std::span<const double> predicted) {
  const size_t n = std::min(truth.size(), predicted.size());
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += (truth[i] - predicted[i]) * (truth[i] - predicted[i]);
  return n > 0 ? sum / static_cast<double>(n) : kUndefined;
}

}  // namespace espalier
