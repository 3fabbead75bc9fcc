// Exact intervals and tests of shares. Everything else is bootstrapped, see intervals.h.
#pragma once

#include <cstdint>
#include <span>

namespace espalier {

struct Interval {
  double low, high;
};

// Exact binomial 95 % interval of k successes in n trials, as shares of 1.
Interval clopper_pearson(int64_t successes, int64_t trials, double confidence = 0.95);

// Two-sided exact McNemar test of two models on the same examples: p-value from the discordant
// pairs.
double mcnemar_exact(std::span<const bool> first_right, std::span<const bool> second_right);

}  // namespace espalier
