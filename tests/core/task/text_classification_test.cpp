#include "core/task/text_classification.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

using ::testing::HasSubstr;

std::vector<Metric> evaluate(std::vector<std::vector<float>> logits, std::vector<int32_t> labels) {
  std::vector<Prediction> predictions;
  for (auto& row : logits) predictions.push_back({std::move(row), 1});
  return TextClassification().evaluate(predictions, labels);
}

TEST(TextClassification, CountsRightAnswersInPoints) {
  auto metrics = evaluate({{1, 2, 0}, {3, 2, 0}, {0, 0, 1}, {0, 1, 0}}, {1, 0, 2, 2});
  ASSERT_EQ(metrics.size(), 1u);
  EXPECT_EQ(metrics[0].name, "accuracy");
  EXPECT_EQ(metrics[0].value, 75);
  EXPECT_EQ(metrics[0].count, 4);
  EXPECT_EQ(metrics[0].interval, "clopper-pearson");
  EXPECT_NEAR(metrics[0].low, 19.412, 1e-3);
  EXPECT_NEAR(metrics[0].high, 99.369, 1e-3);
}

TEST(TextClassification, AddsF1OfClassOneWhereThereAreTwo) {
  // Says 1 1 1 0, is 1 1 0 1: two hits, one false alarm, one miss.
  auto metrics = evaluate({{0, 1}, {0, 1}, {0, 1}, {1, 0}}, {1, 1, 0, 1});
  ASSERT_EQ(metrics.size(), 2u);
  EXPECT_EQ(metrics[0].value, 50);
  EXPECT_EQ(metrics[1].name, "f1");
  EXPECT_NEAR(metrics[1].value, 100 * 2.0 / 3, 1e-12);
}

TEST(TextClassification, LeavesUnlabelledExamplesOut) {
  EXPECT_EQ(evaluate({{0, 1}, {0, 1}}, {1, -1})[0].count, 1);
  auto nothing = evaluate({{0, 1}}, {-1});
  EXPECT_EQ(nothing[0].value, 0);
  EXPECT_EQ(nothing[0].high, 100);
}

TEST(TextClassification, IsTheOneTaskKnown) {
  auto task = make_task("text-classification");
  ASSERT_TRUE(task.ok());
  EXPECT_EQ((*task)->name(), "text-classification");
  EXPECT_EQ((*task)->outputs(3), 3);
  EXPECT_THAT(std::string(make_task("poetry").status().message()),
              HasSubstr("known: text-classification"));
}

}  // namespace
}  // namespace espalier
