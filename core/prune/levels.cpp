#include "core/prune/levels.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace espalier {
namespace {

constexpr int64_t kBuckets = 10000;
// Of a bucket: what a cost may be above a whole number of them by rounding alone.
constexpr double kBudgetSlack = 1e-7;
constexpr double kNowhere = std::numeric_limits<double>::infinity();

// More than all buckets: never.
int64_t buckets_of(double cost, double budget) {
  if (cost <= 0) return 0;
  const double buckets = budget > 0 ? cost / budget * static_cast<double>(kBuckets) : kNowhere;
  return buckets > static_cast<double>(kBuckets) + kBudgetSlack
             ? kBuckets + 1
             : static_cast<int64_t>(std::ceil(buckets - kBudgetSlack));
}

}  // namespace

std::vector<int64_t> level_grid(int64_t units, int64_t all, double share) {
  std::vector<int64_t> out = {units};
  for (double left = static_cast<double>(all); out.back() > 0;) {
    left *= share;
    const int64_t next = share < 1 ? static_cast<int64_t>(left) : out.back() - 1;
    if (next < out.back()) out.push_back(next);
  }
  return out;
}

std::vector<int64_t> choose_levels(const std::vector<std::vector<Level>>& sublayers,
                                   std::span<const double> sensitivity, double budget) {
  const size_t places = kBuckets + 1;
  // Least error with at most so many buckets, over the sub-layers so far; and the level of the last
  // one of them that it takes.
  std::vector<double> least(places, 0), next(places);
  std::vector<std::vector<int32_t>> taken(sublayers.size(), std::vector<int32_t>(places, -1));
  for (size_t s = 0; s < sublayers.size(); ++s) {
    std::fill(next.begin(), next.end(), kNowhere);
    for (size_t l = 0; l < sublayers[s].size(); ++l) {
      const int64_t buckets = buckets_of(sublayers[s][l].cost, budget);
      const double error = sublayers[s][l].error * sensitivity[s];
      for (int64_t b = buckets; b <= kBuckets; ++b) {
        const double sum = least[b - buckets] + error;
        if (sum >= next[b]) continue;
        next[b] = sum;
        taken[s][b] = static_cast<int32_t>(l);
      }
    }
    std::swap(least, next);
  }
  if (least.back() == kNowhere) return {};
  std::vector<int64_t> out(sublayers.size());
  int64_t b = kBuckets;
  for (size_t s = sublayers.size(); s-- > 0;) {
    out[s] = taken[s][b];
    b -= buckets_of(sublayers[s][out[s]].cost, budget);
  }
  return out;
}

}  // namespace espalier
