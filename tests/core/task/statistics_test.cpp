#include "core/task/statistics.h"

#include <array>
#include <cmath>
#include <memory>

#include "core/task/beta.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

// P(X <= k) of a binomial, term by term.
double binomial_cdf(int k, int n, double p) {
  double out = 0;
  for (int i = 0; i <= k; ++i) {
    out += std::exp(std::lgamma(n + 1) - std::lgamma(i + 1) - std::lgamma(n - i + 1) +
                    i * std::log(p) + (n - i) * std::log1p(-p));
  }
  return out;
}

TEST(IncompleteBeta, AgreesWithKnownValues) {
  EXPECT_NEAR(incomplete_beta(1, 1, 0.3), 0.3, 1e-14);
  EXPECT_NEAR(incomplete_beta(2, 1, 0.3), 0.09, 1e-14);
  EXPECT_NEAR(incomplete_beta(1, 3, 0.3), 1 - 0.343, 1e-14);
  EXPECT_NEAR(incomplete_beta(0.5, 0.5, 0.5), 0.5, 1e-13);
  EXPECT_NEAR(incomplete_beta(0.5, 0.5, 0.1), 2 / M_PI * std::asin(std::sqrt(0.1)), 1e-13);
  EXPECT_EQ(incomplete_beta(3, 4, 0), 0);
  EXPECT_EQ(incomplete_beta(3, 4, 1), 1);
}

TEST(IncompleteBeta, HoldsTheTailsOfTheBinomial) {
  for (int k : {0, 3, 50, 99}) {
    for (double p : {0.01, 0.4, 0.97}) {
      EXPECT_NEAR(1 - incomplete_beta(k + 1, 100 - k, p), binomial_cdf(k, 100, p), 1e-12)
          << k << " " << p;
    }
  }
}

TEST(ClopperPearson, AgreesWithPublishedIntervals) {
  const Interval eight = clopper_pearson(8, 10);
  EXPECT_NEAR(eight.low, 0.4439045, 1e-6);
  EXPECT_NEAR(eight.high, 0.9747893, 1e-6);
  const Interval half = clopper_pearson(50, 100);
  EXPECT_NEAR(half.low, 0.3983211, 1e-6);
  EXPECT_NEAR(half.high, 0.6016789, 1e-6);
}

TEST(ClopperPearson, HasClosedFormsAtTheEnds) {
  const Interval none = clopper_pearson(0, 20), all = clopper_pearson(20, 20);
  EXPECT_EQ(none.low, 0);
  EXPECT_NEAR(none.high, 1 - std::pow(0.025, 1 / 20.0), 1e-12);
  EXPECT_NEAR(all.low, std::pow(0.025, 1 / 20.0), 1e-12);
  EXPECT_EQ(all.high, 1);
  EXPECT_EQ(clopper_pearson(0, 0).high, 1);
}

TEST(ClopperPearson, IsExactForLargeCountsToo) {
  const Interval interval = clopper_pearson(900'000, 1'000'000);
  EXPECT_NEAR(interval.low, 0.9 - 1.96 * 0.0003, 2e-6);
  EXPECT_NEAR(interval.high, 0.9 + 1.96 * 0.0003, 2e-6);
  EXPECT_LT(clopper_pearson(8, 10, 0.95).low, clopper_pearson(8, 10, 0.5).low);
}

// `first` examples that only the first model had right, `second` that only the second had, 10 both.
double mcnemar(int first, int second) {
  const size_t n = static_cast<size_t>(first + second + 10);
  auto a = std::make_unique<bool[]>(n), b = std::make_unique<bool[]>(n);
  for (size_t i = 0; i < n; ++i) {
    a[i] = i < static_cast<size_t>(first) || i >= static_cast<size_t>(first + second);
    b[i] = i >= static_cast<size_t>(first);
  }
  return mcnemar_exact({a.get(), n}, {b.get(), n});
}

TEST(McNemar, CountsDiscordantPairsOnly) {
  EXPECT_EQ(mcnemar(0, 0), 1);
  EXPECT_EQ(mcnemar(4, 4), 1);
  EXPECT_NEAR(mcnemar(0, 5), 2 / 32.0, 1e-14);
  EXPECT_NEAR(mcnemar(1, 9), 2 * 11 / 1024.0, 1e-14);
  EXPECT_NEAR(mcnemar(9, 1), mcnemar(1, 9), 1e-15);
}

}  // namespace
}  // namespace espalier
