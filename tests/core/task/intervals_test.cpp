#include "core/task/intervals.h"

#include <cmath>
#include <numeric>

#include "core/task/regression_metrics.h"
#include "core/task/resample_statistics.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

// `ones` times 1 and `zeros` times 0.
std::vector<double> outcomes(size_t ones, size_t zeros) {
  std::vector<double> out(ones, 1.0);
  out.resize(ones + zeros, 0.0);
  return out;
}

TEST(Bootstrap, OfAShareIsAboutTheNormalInterval) {
  const BootstrapResult result = bootstrap(1000, mean_statistic(outcomes(800, 200)));
  EXPECT_EQ(result.value, 0.8);
  const double half = 1.96 * std::sqrt(0.8 * 0.2 / 1000);
  EXPECT_NEAR(result.interval.low, 0.8 - half, 0.004);
  EXPECT_NEAR(result.interval.high, 0.8 + half, 0.004);
  EXPECT_EQ(result.undefined, 0);
}

TEST(Bootstrap, DependsOnTheSeedOnly) {
  const RowStatistic mean = mean_statistic({1, 2, 4, 8, 16, 32});
  const BootstrapResult one = bootstrap(6, mean, {.seed = 3}),
                        same = bootstrap(6, mean, {.seed = 3});
  EXPECT_EQ(one.interval.low, same.interval.low);
  EXPECT_EQ(one.interval.high, same.interval.high);
  // Every seed draws other rows; a sum that tells the draws apart shows it.
  auto drawn = [](uint64_t seed) {
    double sum = 0;
    bootstrap(100,
              [&](std::span<const int64_t> rows) {
                return sum += static_cast<double>(rows[0] * rows[1]);
              },
              {.resamples = 5, .seed = seed});
    return sum;
  };
  EXPECT_NE(drawn(3), drawn(4));
}

TEST(Bootstrap, OfEqualExamplesHasNoWidth) {
  const BootstrapResult result = bootstrap(5, mean_statistic({3, 3, 3, 3, 3}));
  EXPECT_EQ(result.interval.low, 3);
  EXPECT_EQ(result.interval.high, 3);
}

TEST(Bootstrap, LeavesOutUndefinedResamples) {
  // A resample of one row only, 1 in 4, has no correlation.
  const BootstrapResult result = bootstrap(2, pearson_statistic({1, 2}, {5, 7}));
  EXPECT_NEAR(result.undefined, 500, 60);
  EXPECT_NEAR(result.interval.low, 1, 1e-12);
  const BootstrapResult constant = bootstrap(2, pearson_statistic({1, 1}, {5, 7}));
  EXPECT_EQ(constant.undefined, 1000);
  EXPECT_TRUE(std::isnan(constant.interval.low));
}

TEST(Bootstrap, WithoutExamplesHasNoInterval) {
  const BootstrapResult result = bootstrap(0, mean_statistic({}));
  EXPECT_TRUE(std::isnan(result.value));
  EXPECT_TRUE(std::isnan(result.interval.high));
}

TEST(PairedBootstrap, SeesADifferenceThatTheModelsShareTheNoiseOf) {
  // The second is right wherever the first is, and in 40 of 1,000 cases more.
  const PairedResult result = paired_bootstrap(1000, mean_statistic(outcomes(800, 200)),
                                               mean_statistic(outcomes(840, 160)));
  EXPECT_NEAR(result.difference, 0.04, 1e-12);
  EXPECT_GT(result.interval.low, 0.02);
  EXPECT_LT(result.interval.high, 0.06);
  EXPECT_NEAR(result.p_value, 2 / 1001.0, 1e-12);
}

TEST(PairedBootstrap, FindsNothingBetweenEqualModels) {
  const RowStatistic same = mean_statistic(outcomes(7, 3));
  const PairedResult result = paired_bootstrap(10, same, same);
  EXPECT_EQ(result.difference, 0);
  EXPECT_EQ(result.interval.high, 0);
  EXPECT_EQ(result.p_value, 1);
  EXPECT_EQ(paired_bootstrap(0, same, same).p_value, 1);
}

TEST(FisherInterval, AgreesWithAnExampleByHand) {
  // atanh(0.5) = 0.549306, z / sqrt(28 - 3) = 0.391993.
  const Interval interval = fisher_interval(0.5, 28);
  EXPECT_NEAR(interval.low, std::tanh(0.5493061 - 0.3919928), 1e-6);
  EXPECT_NEAR(interval.high, std::tanh(0.5493061 + 0.3919928), 1e-6);
}

TEST(FisherInterval, SaysNothingOfThreeExamples) {
  EXPECT_EQ(fisher_interval(0.5, 3).low, -1);
  EXPECT_EQ(fisher_interval(NAN, 100).high, 1);
  EXPECT_EQ(fisher_interval(1, 100).low, 1);
}

TEST(BonettWrightInterval, IsWiderThanFishers) {
  const Interval interval = bonett_wright_interval(0.5, 28);
  const double half = 0.3919928 * std::sqrt(1.125);
  EXPECT_NEAR(interval.low, std::tanh(0.5493061 - half), 1e-6);
  EXPECT_NEAR(interval.high, std::tanh(0.5493061 + half), 1e-6);
}

TEST(ResampleStatistics, AreTheMetricsOfTheRows) {
  const std::vector<int64_t> rows = {3, 0, 0, 2, 3};
  const std::vector<double> a = {1, 5, 2, 2}, b = {4, 1, 4, 9};
  const std::vector<double> a_rows = {2, 1, 1, 2, 2}, b_rows = {9, 4, 4, 4, 9};
  EXPECT_NEAR(pearson_statistic(a, b)(rows), pearson(a_rows, b_rows), 1e-15);
  EXPECT_NEAR(spearman_statistic(a, b)(rows), spearman(a_rows, b_rows), 1e-15);
  EXPECT_NEAR(class_statistic({0, 1, 1, 0}, {0, 1, 0, 1}, 2, accuracy)(rows), 2 / 5.0, 1e-15);
  EXPECT_NEAR(label_statistic({1, 0, 1, 1}, {1, 1, 0, 1}, 1, micro_f1)(rows), 8 / 9.0, 1e-15);
  auto ratio = [](std::span<const double> totals) { return totals[0] / totals[1]; };
  EXPECT_NEAR(totals_statistic({1, 2, 0, 0, 3, 4, 5, 6}, 2, ratio)(rows), 15 / 20.0, 1e-15);
  EXPECT_TRUE(std::isnan(spearman_statistic({1, NAN}, {1, 2})(std::vector<int64_t>{0, 1})));
}

}  // namespace
}  // namespace espalier
