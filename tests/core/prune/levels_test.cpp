#include "core/prune/levels.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "core/base/random.h"

namespace espalier {
namespace {

using Candidates = std::vector<std::vector<Level>>;

double error_of(const Candidates& sublayers, const std::vector<double>& sensitivity,
                const std::vector<int64_t>& places) {
  double sum = 0;
  for (size_t i = 0; i < places.size(); ++i) sum += sensitivity[i] * sublayers[i][places[i]].error;
  return sum;
}

double cost_of_places(const Candidates& sublayers, const std::vector<int64_t>& places) {
  double sum = 0;
  for (size_t i = 0; i < places.size(); ++i) sum += sublayers[i][places[i]].cost;
  return sum;
}

// Over all combinations within the budget.
double least_of_all(const Candidates& sublayers, const std::vector<double>& sensitivity,
                    double budget) {
  double least = std::numeric_limits<double>::infinity();
  std::vector<int64_t> places(sublayers.size(), 0);
  std::function<void(size_t)> from = [&](size_t i) {
    if (i == places.size()) {
      if (cost_of_places(sublayers, places) <= budget)
        least = std::min(least, error_of(sublayers, sensitivity, places));
      return;
    }
    for (size_t l = 0; l < sublayers[i].size(); ++l) {
      places[i] = static_cast<int64_t>(l);
      from(i + 1);
    }
  };
  from(0);
  return least;
}

// Costs are whole numbers, and so many buckets of every budget.
TEST(ChooseLevels, FindsTheLeastErrorOfAllCombinations) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    Candidates sublayers(5);
    std::vector<double> sensitivity;
    for (auto& levels : sublayers) {
      sensitivity.push_back(random.uniform());
      levels.push_back({0, 0, 1});
      for (int64_t units = 1; units < 5; ++units)
        levels.push_back({units, static_cast<double>(random.below(30)), random.uniform()});
    }
    for (const double budget : {1.0, 10.0, 40.0, 100.0}) {
      const auto places = choose_levels(sublayers, sensitivity, budget);
      ASSERT_EQ(places.size(), sublayers.size());
      EXPECT_LE(cost_of_places(sublayers, places), budget);
      EXPECT_NEAR(error_of(sublayers, sensitivity, places),
                  least_of_all(sublayers, sensitivity, budget), 1e-12)
          << "seed " << seed << ", budget " << budget;
    }
  }
}

TEST(ChooseLevels, KeepsABudgetThatNoBucketDivides) {
  const Candidates sublayers(7, {{2, 1.0 / 3, 0}, {1, 0.2, 0.1}, {0, 0, 1}});
  const std::vector<double> same(7, 1);
  for (const double budget : {0.5, 1.0, 1.7, 2.0, 2.3334}) {
    EXPECT_LE(cost_of_places(sublayers, choose_levels(sublayers, same, budget)),
              budget * (1 + 1e-9));
  }
  // Costs are rounded up to buckets: by seven of 10,000 at most.
  EXPECT_EQ(choose_levels(sublayers, same, 7.0 / 3 * 1.0007), std::vector<int64_t>(7, 0));
}

TEST(ChooseLevels, TakesNothingForNothingAndSaysWhenNothingFits) {
  const std::vector<double> one = {1};
  EXPECT_EQ(choose_levels({{{1, 5, 0}, {0, 0, 1}}}, one, 0), (std::vector<int64_t>{1}));
  EXPECT_TRUE(choose_levels({{{2, 5, 0}, {1, 3, 1}}}, one, 2).empty());
}

TEST(LevelGrid, ShrinksByAShareOrByOne) {
  EXPECT_EQ(level_grid(4, 4, 1), (std::vector<int64_t>{4, 3, 2, 1, 0}));
  EXPECT_EQ(level_grid(24, 24, 0.5), (std::vector<int64_t>{24, 12, 6, 3, 1, 0}));
  // Of a sub-layer that has lost some: the grid is that of all.
  EXPECT_EQ(level_grid(10, 24, 0.5), (std::vector<int64_t>{10, 6, 3, 1, 0}));
  const auto wide = level_grid(3072, 3072, 0.9);
  EXPECT_LT(wide.size(), 80u);
  EXPECT_EQ(wide[1], 2764);
  EXPECT_EQ(wide.back(), 0);
}

}  // namespace
}  // namespace espalier
