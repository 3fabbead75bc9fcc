#include "core/task/classification_metrics.h"

#include <cmath>

#include "gtest/gtest.h"

namespace espalier {
namespace {

ClassCounts of_classes(std::vector<int32_t> truth, std::vector<int32_t> predicted, int classes) {
  return count_classes(truth, predicted, classes);
}
ClassCounts of_labels(std::vector<uint8_t> truth, std::vector<uint8_t> predicted, int labels) {
  return count_labels(truth, predicted, labels);
}

// Class 0: 2 of 3 found; class 1: 1 of 2 found, said twice; class 2: 1 of 1 found, said twice.
TEST(ClassMetrics, AgreeWithAnExampleByHand) {
  const ClassCounts counts = of_classes({0, 0, 0, 1, 1, 2}, {0, 0, 1, 1, 2, 2}, 3);
  EXPECT_NEAR(accuracy(counts), 4 / 6.0, 1e-15);
  EXPECT_NEAR(f1_of_class(counts, 0), 4 / 5.0, 1e-15);
  EXPECT_NEAR(binary_f1(counts), 2 / 4.0, 1e-15);
  EXPECT_NEAR(macro_f1(counts), (4 / 5.0 + 2 / 4.0 + 2 / 3.0) / 3, 1e-15);
  EXPECT_NEAR(micro_f1(counts), accuracy(counts), 1e-15);
  // (6*4 - (3*2 + 2*2 + 1*2)) / sqrt((36 - 14) * (36 - 12))
  EXPECT_NEAR(matthews(counts), 12 / std::sqrt(22 * 24.0), 1e-15);
}

TEST(ClassMetrics, MatthewsOfTwoClassesIsTheFourfoldFormula) {
  // TP 3, TN 2, FP 1, FN 2.
  const ClassCounts counts = of_classes({1, 1, 1, 1, 1, 0, 0, 0}, {1, 1, 1, 0, 0, 0, 0, 1}, 2);
  EXPECT_NEAR(matthews(counts), (3 * 2 - 1 * 2) / std::sqrt(4 * 5 * 3 * 4.0), 1e-15);
  EXPECT_NEAR(binary_f1(counts), 6 / 9.0, 1e-15);
}

TEST(ClassMetrics, AllOfOneClassHasNoCorrelation) {
  EXPECT_EQ(matthews(of_classes({1, 1}, {1, 1}, 2)), 0);
  EXPECT_EQ(matthews(of_classes({0, 1}, {1, 1}, 2)), 0);
  EXPECT_EQ(binary_f1(of_classes({0, 0}, {0, 0}, 2)), 0);
  EXPECT_EQ(macro_f1(of_classes({0, 0}, {0, 0}, 2)), 1);  // class 1 occurs nowhere
}

TEST(ClassMetrics, NoExamplesCountAsZero) {
  const ClassCounts none = of_classes({}, {}, 3);
  EXPECT_EQ(accuracy(none), 0);
  EXPECT_EQ(macro_f1(none), 0);
  EXPECT_EQ(micro_f1(none), 0);
  EXPECT_EQ(matthews(none), 0);
  EXPECT_EQ(accuracy(of_classes({0}, {0}, 0)), 0);
}

TEST(ClassMetrics, LeaveOutWhatHasNoLabelAndCountAnswersOfNoClassAsWrong) {
  const ClassCounts counts = of_classes({-1, 0, 1, 7, 1}, {0, 0, -1, 1, 9}, 2);
  EXPECT_EQ(counts.examples, 3);
  EXPECT_NEAR(accuracy(counts), 1 / 3.0, 1e-15);
  EXPECT_EQ(binary_f1(counts), 0);
}

TEST(ClassMetrics, CountRowsAsOftenAsTheyAreAsked) {
  const std::vector<int32_t> truth = {0, 1, 1}, predicted = {0, 0, 1};
  const std::vector<int64_t> rows = {2, 2, 1, 2};
  const ClassCounts counts = count_classes(truth, predicted, 2, rows);
  EXPECT_EQ(counts.examples, 4);
  EXPECT_EQ(counts.both, (std::vector<int64_t>{0, 3}));
  EXPECT_EQ(counts.predicted, (std::vector<int64_t>{1, 3}));
}

// Three examples of the labels (a, b, c); c is never used.
TEST(LabelMetrics, AgreeWithAnExampleByHand) {
  const std::vector<uint8_t> truth = {1, 0, 0, 1, 1, 0, 0, 0, 0};
  const std::vector<uint8_t> said = {1, 0, 0, 1, 0, 0, 1, 1, 0};
  const ClassCounts counts = of_labels(truth, said, 3);
  EXPECT_NEAR(micro_f1(counts), 4 / 7.0, 1e-15);
  EXPECT_NEAR(macro_f1_of_labels(counts), (4 / 5.0 + 0 + 0) / 3, 1e-15);
  EXPECT_NEAR(subset_accuracy(truth, said, 3), 1 / 3.0, 1e-15);
  EXPECT_EQ(count_labels(truth, said, 3, std::vector<int64_t>{0, 0}).both[0], 2);
}

TEST(LabelMetrics, EmptySetsAreRightButFindNothing) {
  EXPECT_EQ(micro_f1(of_labels({0, 0}, {0, 0}, 2)), 0);
  EXPECT_EQ(subset_accuracy(std::vector<uint8_t>{0, 0}, std::vector<uint8_t>{0, 0}, 2), 1);
  EXPECT_EQ(subset_accuracy({}, {}, 2), 0);
  EXPECT_EQ(subset_accuracy({}, {}, 0), 0);
}

}  // namespace
}  // namespace espalier
