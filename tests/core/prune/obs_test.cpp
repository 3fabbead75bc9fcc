// One removal after the other against least squares solved for every candidate.
#include "core/prune/obs.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/testing/tiny_model.h"

namespace espalier {
namespace {

Tensor drawn_matrix(at::IntArrayRef shape, uint64_t seed) {
  auto generator = at::detail::createCPUGenerator(seed);
  return at::empty(shape, at::kDouble).normal_(0, 1, generator);
}

// Inputs that say much of the same, with a bias-like mean.
Tensor correlated_rows(int64_t rows, int64_t columns) {
  return at::matmul(drawn_matrix({rows, columns}, 1), drawn_matrix({columns, columns}, 2)) + 0.5;
}

Tensor columns_of(const std::vector<int64_t>& groups, int64_t group) {
  return (torch::tensor(groups, at::kLong).unsqueeze(1) * group + at::arange(group)).flatten();
}

// Of W x by these columns of x alone, as near as they can.
double least_error(const Tensor& weight, const Tensor& x, const Tensor& kept) {
  const Tensor y = at::matmul(x, weight.t());
  if (kept.size(0) == 0) return y.square().sum().item<double>();
  const Tensor some = x.index_select(1, kept);
  const Tensor solved = std::get<0>(at::linalg_lstsq(some, y));
  return (at::matmul(some, solved) - y).square().sum().item<double>();
}

class Obs : public ::testing::TestWithParam<int64_t> {};
INSTANTIATE_TEST_SUITE_P(Groups, Obs, ::testing::Values(1, 2));

TEST_P(Obs, RemovesWhatLeavesTheLeastErrorAtEveryTurn) {
  const int64_t group = GetParam(), groups = 8 / group;
  const Tensor x = correlated_rows(40, 8), weight = drawn_matrix({3, 8}, 3);
  const Removal removal = remove_one_by_one(weight, at::matmul(x.t(), x), group);
  std::vector<int64_t> kept;
  for (int64_t i = 0; i < groups; ++i) kept.push_back(i);
  for (int64_t turn = 0; turn < groups; ++turn) {
    std::vector<double> errors;
    for (const int64_t candidate : kept) {
      std::vector<int64_t> others;
      std::copy_if(kept.begin(), kept.end(), std::back_inserter(others),
                   [&](int64_t one) { return one != candidate; });
      errors.push_back(least_error(weight, x, columns_of(others, group)));
    }
    const auto least = std::min_element(errors.begin(), errors.end());
    EXPECT_EQ(removal.order[turn], kept[least - errors.begin()]) << "turn " << turn;
    EXPECT_NEAR(removal.error[turn + 1], *least, 1e-8 * errors.back());
    kept.erase(kept.begin() + (least - errors.begin()));
  }
}

TEST_P(Obs, ErrorsRiseFromNoneToTheWholeOutput) {
  const Tensor x = correlated_rows(300, 200), weight = drawn_matrix({5, 200}, 3);
  const Removal removal = remove_one_by_one(weight, at::matmul(x.t(), x), GetParam());
  EXPECT_EQ(removal.error.front(), 0);
  EXPECT_TRUE(std::is_sorted(removal.error.begin(), removal.error.end()));
  const double all = at::matmul(x, weight.t()).square().sum().item<double>();
  EXPECT_NEAR(removal.error.back(), all, 1e-8 * all);
}

// More columns than wait for a product.
TEST_P(Obs, TheWeightsOnTheWayAreLeastSquaresSolutions) {
  const Tensor x = correlated_rows(300, 200), weight = drawn_matrix({5, 200}, 3);
  const Tensor h = at::matmul(x.t(), x);
  const Removal removal = remove_one_by_one(weight, h, GetParam());
  std::vector<int64_t> places = removal.order;
  std::sort(places.begin(), places.end());
  EXPECT_EQ(std::adjacent_find(places.begin(), places.end()), places.end());
  for (const size_t gone : {1, 30, 64, 65, 99}) {
    const std::vector<int64_t> left(removal.order.begin() + static_cast<int64_t>(gone),
                                    removal.order.end());
    const Tensor kept = columns_of(left, GetParam());
    const Tensor gap = weight - compensated(weight, h, kept);
    const double error = at::matmul(gap, h).mul(gap).sum().item<double>();
    EXPECT_NEAR(removal.error[gone], error, 1e-6 * removal.error.back());
    EXPECT_NEAR(error, least_error(weight, x, kept), 1e-6 * removal.error.back());
  }
}

TEST(ObsOfTwins, OneOfEachCanLeaveForNothing) {
  const Tensor once = correlated_rows(100, 10), weight = drawn_matrix({4, 20}, 3);
  const Tensor x = at::cat({once, once}, 1);
  const Removal removal = remove_one_by_one(weight, damped(at::matmul(x.t(), x), 1e-9), 1);
  EXPECT_LE(removal.error[10], 1e-6 * removal.error.back());
  EXPECT_GE(removal.error[11], 10 * removal.error[10]);
}

TEST(Damped, AddsAShareOfTheMeanDiagonal) {
  const Tensor h = torch::tensor({1.0, 2.0, 2.0, 5.0}, at::kDouble).view({2, 2});
  const Tensor expected = torch::tensor({1.3, 2.0, 2.0, 5.3}, at::kDouble).view({2, 2});
  EXPECT_LE(testing::max_gap(damped(h, 0.1), expected), 1e-12);
  EXPECT_TRUE(at::equal(damped(at::zeros({2, 2}, at::kDouble), 0.1), at::eye(2, at::kDouble)));
}

}  // namespace
}  // namespace espalier
