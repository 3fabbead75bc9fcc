#include "core/task/regression.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/task/predictions.h"

namespace espalier {
namespace {

using testing::predictions;
using testing::with_targets;

std::unique_ptr<Task> regression(const std::string& metric = "") {
  return *make_task("regression", {}, metric);
}

TEST(Regression, CorrelatesInPointsAndMeasuresErrorsInTheDatasUnit) {
  // scipy.stats: pearsonr([1,2,3,4], [1,3,2,5]) = 0.8315218406, spearmanr = 0.8.
  auto metrics =
      regression()->evaluate(predictions({{1}, {3}, {2}, {5}}), with_targets({1, 2, 3, 4}));
  ASSERT_EQ(metrics.size(), 3u);
  EXPECT_EQ(metrics[0].name, "pearson");
  EXPECT_NEAR(metrics[0].value, 83.15218406, 1e-6);
  EXPECT_EQ(metrics[0].interval, "fisher");
  EXPECT_LT(metrics[0].low, metrics[0].value);
  EXPECT_EQ(metrics[1].name, "spearman");
  EXPECT_NEAR(metrics[1].value, 80, 1e-9);
  EXPECT_EQ(metrics[2].name, "mse");
  EXPECT_NEAR(metrics[2].value, 0.75, 1e-12);  // 0, 1, 1 and 1
}

TEST(Regression, OfAnswersThatAreAllEqualCountsAsZero) {
  auto same = predictions({{2}, {2}, {2}, {2}});
  EXPECT_EQ(regression()->evaluate(same, with_targets({1, 2, 3, 4}))[0].value, 0);
  EXPECT_EQ(regression()->figure(same, with_targets({1, 2, 3, 4})), 0);
}

TEST(Regression, IsComparedByAPairedBootstrap) {
  auto good = predictions({{1}, {2}, {3}, {4}, {5}});
  auto test = regression()->paired_test(good, good, with_targets({1, 2, 3, 4, 5}));
  EXPECT_EQ(test.name, "paired bootstrap");
  EXPECT_EQ(test.p_value, 1);
}

TEST(Regression, HasOneOutputAndMayBeJudgedByRanks) {
  EXPECT_EQ(regression()->outputs(0), 1);
  EXPECT_EQ(regression("spearman")->metric(), "spearman");
  EXPECT_FALSE(make_task("regression", {}, "mse").ok());  // less would be better
}

}  // namespace
}  // namespace espalier
