#include "core/task/multi_label.h"

#include "gtest/gtest.h"
#include "tests/core/task/predictions.h"

namespace espalier {
namespace {

using testing::predictions;
using testing::with_targets;

Targets label_sets(std::initializer_list<std::vector<float>> rows) {
  Targets out;
  for (const auto& row : rows) out.add(row);
  return out;
}

TEST(MultiLabel, GivesEveryLabelWhoseLogitIsAboveZero) {
  // Says {a, b}, {}, {c}; is {a}, {c}, {c}: a hit 1 of 1, b one false alarm, c 1 hit and 1 miss.
  auto metrics = (*make_task("multi-label-classification", {"a", "b", "c"}))
                     ->evaluate(predictions({{1, 1, -1}, {-1, 0, -1}, {-1, -1, 2}}),
                                with_targets(label_sets({{1, 0, 0}, {0, 0, 1}, {0, 0, 1}})));
  ASSERT_EQ(metrics.size(), 3u);
  EXPECT_EQ(metrics[0].name, "micro_f1");
  EXPECT_NEAR(metrics[0].value, 100 * 4 / 6.0, 1e-9);
  EXPECT_EQ(metrics[1].name, "macro_f1");
  EXPECT_NEAR(metrics[1].value, 100 * (1 + 0 + 2 / 3.0) / 3, 1e-9);
  EXPECT_EQ(metrics[2].name, "subset_accuracy");
  EXPECT_NEAR(metrics[2].value, 100 / 3.0, 1e-9);
  EXPECT_EQ(metrics[2].interval, "clopper-pearson");
}

TEST(MultiLabel, IsComparedByMcNemarWhereWholeSetsDecide) {
  auto task = *make_task("multi-label-classification", {"a"}, "subset_accuracy");
  auto right = predictions({{1}, {1}, {1}}), wrong = predictions({{-1}, {-1}, {-1}});
  auto test = task->paired_test(right, wrong, with_targets(label_sets({{1}, {1}, {1}})));
  EXPECT_EQ(test.name, "mcnemar exact");
  EXPECT_NEAR(test.p_value, 0.25, 1e-12);  // 2 / 2^3
}

}  // namespace
}  // namespace espalier
