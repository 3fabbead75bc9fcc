#include "core/task/regression_metrics.h"

#include <cmath>
#include <limits>

#include "core/task/language_metrics.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

using ::testing::ElementsAre;
using Values = std::vector<double>;

TEST(Pearson, AgreesWithAnExampleByHand) {
  // Centred: (-1, 0, 1) and (-1, 1, 0); 1 / (sqrt 2 * sqrt 2).
  EXPECT_NEAR(pearson(Values{1, 2, 3}, Values{1, 3, 2}), 0.5, 1e-15);
  EXPECT_NEAR(pearson(Values{1, 2, 3}, Values{-2, -4, -6}), -1, 1e-15);
}

TEST(Pearson, IsUndefinedForConstantsAndTooFewExamples) {
  EXPECT_TRUE(std::isnan(pearson(Values{0.1, 0.1, 0.1}, Values{1, 2, 3})));
  EXPECT_TRUE(std::isnan(pearson(Values{1, 2}, Values{5, 5})));
  EXPECT_TRUE(std::isnan(pearson(Values{1}, Values{1})));
  EXPECT_TRUE(std::isnan(pearson(Values{}, Values{})));
  EXPECT_TRUE(std::isnan(pearson(Values{1, NAN, 3}, Values{1, 2, 3})));
}

TEST(Pearson, HoldsForHugeAndTinyValues) {
  EXPECT_NEAR(pearson(Values{1e200, 2e200, 3e200}, Values{1e-200, 3e-200, 2e-200}), 0.5, 1e-14);
}

TEST(Ranks, ShareTheirMeanWhereValuesTie) {
  EXPECT_THAT(average_ranks(Values{3, 1, 3, 2, 3}), ElementsAre(4, 1, 4, 2, 4));
  EXPECT_THAT(average_ranks(Values{7, 7}), ElementsAre(1.5, 1.5));
}

TEST(Spearman, SeesTheOrderOnly) {
  EXPECT_NEAR(spearman(Values{1, 2, 3, 4}, Values{1, 8, 27, INFINITY}), 1, 1e-15);
  // Ranks (1, 2.5, 2.5, 4) and (2, 1, 3, 4): 3 / sqrt(4.5 * 5).
  EXPECT_NEAR(spearman(Values{1, 2, 2, 3}, Values{5, 4, 6, 7}), 3 / std::sqrt(22.5), 1e-15);
  EXPECT_TRUE(std::isnan(spearman(Values{2, 2}, Values{1, 2})));
}

TEST(MeanSquaredError, IsUndefinedWithoutExamples) {
  EXPECT_NEAR(mean_squared_error(Values{1, 2, 3}, Values{1, 4, 0}), 13 / 3.0, 1e-15);
  EXPECT_TRUE(std::isnan(mean_squared_error(Values{}, Values{})));
}

TEST(Perplexity, IsTheNumberOfEquallyLikelyTokens) {
  EXPECT_NEAR(perplexity(5 * std::log(8.0), 5), 8, 1e-12);
  EXPECT_EQ(perplexity(1e6, 1), std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(perplexity(0, 0)));
}

}  // namespace
}  // namespace espalier
