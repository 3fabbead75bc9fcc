#include "core/kernels/dropout.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

namespace espalier {
namespace {

using torch::Tensor;

Tensor kept(uint64_t seed, std::vector<int64_t> shape, double p) {
  at::manual_seed(seed);
  return dropout(at::ones(shape), p).ne(0).to(at::kDouble);
}

// Five standard deviations of a share of n draws.
double margin(double p, int64_t n) { return 5 * std::sqrt(p * (1 - p) / static_cast<double>(n)); }

TEST(Dropout, KeepsTheShareItSaysAndScalesIt) {
  for (double p : {0.1, 0.5, 0.9}) {
    at::manual_seed(1);
    Tensor y = dropout(at::ones({1000, 1001}), p);
    Tensor open = y.ne(0);
    EXPECT_NEAR(open.to(at::kDouble).mean().item<double>(), 1 - p, margin(p, y.numel())) << p;
    EXPECT_NEAR(y.masked_select(open).min().item<double>(), 1 / (1 - p), 1e-5) << p;
    EXPECT_NEAR(y.masked_select(open).max().item<double>(), 1 / (1 - p), 1e-5) << p;
  }
}

TEST(Dropout, NeighboursRowsAndDrawsAreIndependent) {
  const double p = 0.1;
  Tensor a = kept(1, {1024, 1024}, p), b = kept(2, {1024, 1024}, p);
  const double both = (1 - p) * (1 - p);
  auto expect_independent = [&](const Tensor& x, const Tensor& y, const char* what) {
    EXPECT_NEAR((x * y).mean().item<double>(), both, margin(both, x.numel())) << what;
  };
  expect_independent(a, b, "two seeds");
  for (int64_t lag : {1, 2, 3, 64, 256}) {
    expect_independent(a.narrow(1, 0, 512), a.narrow(1, lag, 512), "columns");
    expect_independent(a.narrow(0, 0, 512), a.narrow(0, lag, 512), "rows");
  }
  EXPECT_LT((a.mean(0) - (1 - p)).abs().max().item<double>(), margin(p, 1024));
}

TEST(Dropout, TheSameSeedDrawsTheSameMaskWhateverTheThreads) {
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  Tensor one = kept(7, {513, 777}, 0.1);
  at::set_num_threads(4);
  Tensor four = kept(7, {513, 777}, 0.1);
  at::set_num_threads(before);
  EXPECT_TRUE(at::equal(one, four));
  EXPECT_FALSE(at::equal(one, kept(8, {513, 777}, 0.1)));
}

TEST(Dropout, TheGradientPassesWhereTheValueDid) {
  at::manual_seed(3);
  Tensor x = at::ones({33, 71}).set_requires_grad(true);
  Tensor y = dropout(x, 0.3);
  y.sum().backward();
  EXPECT_TRUE(at::equal(x.grad(), y.detach()));
}

TEST(Dropout, TwoCallsAfterOneSeedDiffer) {
  at::manual_seed(3);
  Tensor first = dropout(at::ones({1000}), 0.5), second = dropout(at::ones({1000}), 0.5);
  EXPECT_FALSE(at::equal(first, second));
}

TEST(Dropout, ViewsAndEmptyTensorsAndZeroProbability) {
  at::manual_seed(3);
  Tensor x = at::rand({7, 11}).t();
  Tensor y = dropout(x, 0.5);
  EXPECT_TRUE(at::allclose(y.masked_select(y.ne(0)), x.masked_select(y.ne(0)) * 2));
  EXPECT_EQ(dropout(at::ones({0, 3}), 0.5).numel(), 0);
  EXPECT_TRUE(dropout(x, 0).is_same(x));
}

}  // namespace
}  // namespace espalier
