#include "core/kernels/ragged_attention.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

namespace espalier {
namespace {

using torch::Tensor;

struct Case {
  std::vector<int64_t> lengths;
  int64_t heads, width;
};

std::vector<int64_t> offsets_of(const std::vector<int64_t>& lengths) {
  std::vector<int64_t> out = {0};
  for (int64_t n : lengths) out.push_back(out.back() + n);
  return out;
}

// Row by row with LibTorch's operators, in the dtype of the input.
Tensor plain_attention(const Tensor& in, const std::vector<int64_t>& offsets, int64_t heads,
                       const Tensor& bias = {}) {
  const int64_t width = in.size(1) / (3 * heads);
  std::vector<Tensor> out;
  for (size_t row = 0; row + 1 < offsets.size(); ++row) {
    const int64_t n = offsets[row + 1] - offsets[row];
    Tensor x = in.narrow(0, offsets[row], n).view({n, 3, heads, width}).permute({1, 2, 0, 3});
    Tensor scores = at::matmul(x[0], x[1].transpose(1, 2)) / std::sqrt(static_cast<double>(width));
    if (bias.defined()) {  // column reach + (key - query)
      Tensor at_distance = at::arange(n).unsqueeze(0) - at::arange(n).unsqueeze(1);
      scores = scores +
               bias.index_select(1, (at_distance + bias.size(1) / 2).flatten()).view({heads, n, n});
    }
    out.push_back(at::matmul(at::softmax(scores, -1), x[2]).transpose(0, 1).reshape({n, -1}));
  }
  return at::cat(out);
}

Tensor random_input(const Case& c, uint64_t seed) {
  at::manual_seed(seed);
  return at::randn({offsets_of(c.lengths).back(), 3 * c.heads * c.width});
}

double gap(const Tensor& a, const Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

const Case kCases[] = {{{1}, 1, 4},
                       {{3, 1, 7}, 2, 8},
                       {{16, 17, 33}, 3, 32},
                       {{5, 128, 40}, 2, 64},
                       {{200, 2}, 4, 20}};

TEST(RaggedAttention, AgreesWithThePlainOneForwardAndBackward) {
  for (const Case& c : kCases) {
    const auto offsets = offsets_of(c.lengths);
    Tensor x = random_input(c, 1).requires_grad_(), y = x.detach().to(at::kDouble).requires_grad_();
    Tensor ours = ragged_attention(x, offsets, c.heads);
    Tensor theirs = plain_attention(y, offsets, c.heads);
    EXPECT_LT(gap(ours.detach(), theirs.detach()), 3e-6) << offsets.back();
    Tensor upstream = at::randn_like(ours);
    ours.backward(upstream);
    theirs.backward(upstream.to(at::kDouble));
    EXPECT_LT(gap(x.grad(), y.grad()), 2e-5) << offsets.back();
  }
}

TEST(RaggedAttention, ABiasByDistanceIsAddedAndLearned) {
  const Case c{{3, 21, 40}, 2, 8};
  const auto offsets = offsets_of(c.lengths);
  Tensor x = random_input(c, 4).requires_grad_(), y = x.detach().to(at::kDouble).requires_grad_();
  Tensor bias = at::randn({c.heads, 2 * 45 - 1}).requires_grad_();  // longer than the longest row
  Tensor wide = bias.detach().to(at::kDouble).requires_grad_();
  Tensor ours = ragged_attention(x, offsets, c.heads, bias);
  Tensor theirs = plain_attention(y, offsets, c.heads, wide);
  EXPECT_LT(gap(ours.detach(), theirs.detach()), 3e-6);
  Tensor upstream = at::randn_like(ours);
  ours.backward(upstream);
  theirs.backward(upstream.to(at::kDouble));
  EXPECT_LT(gap(x.grad(), y.grad()), 2e-5);
  EXPECT_LT(gap(bias.grad(), wide.grad()), 2e-5);
  EXPECT_THROW(ragged_attention(x, offsets, c.heads, at::zeros({2, 77})), c10::Error);
}

TEST(RaggedAttention, LargeScoresDoNotOverflow) {
  Tensor x = random_input(kCases[2], 2) * 40;
  const auto offsets = offsets_of(kCases[2].lengths);
  Tensor y = ragged_attention(x, offsets, kCases[2].heads);
  EXPECT_TRUE(at::isfinite(y).all().item<bool>());
  EXPECT_LT(gap(y, plain_attention(x.to(at::kDouble), offsets, kCases[2].heads)), 1e-2);
}

TEST(RaggedAttention, ARowDoesNotSeeItsNeighbours) {
  const Case c{{9, 30}, 2, 16};
  Tensor x = random_input(c, 3);
  Tensor both = ragged_attention(x, {0, 9, 39}, c.heads);
  EXPECT_TRUE(
      at::equal(both.narrow(0, 0, 9), ragged_attention(x.narrow(0, 0, 9), {0, 9}, c.heads)));
}

// As if the other queries had been computed and nobody had read them.
TEST(RaggedAttention, TheFirstQueriesAloneAreAnsweredAsAmongTheOthers) {
  const Case c{{16, 1, 37}, 2, 20};
  const auto offsets = offsets_of(c.lengths);
  const Tensor first = at::tensor({0, 16, 17}, at::kLong);
  Tensor x = random_input(c, 8).requires_grad_(), y = x.detach().clone().requires_grad_();
  Tensor bias = at::randn({c.heads, 2 * 37 - 1}).requires_grad_();
  Tensor same = bias.detach().clone().requires_grad_();
  at::manual_seed(9);
  Tensor alone = ragged_attention(x, offsets, c.heads, bias, 0.2, Queries::kFirst);
  at::manual_seed(9);
  Tensor among = ragged_attention(y, offsets, c.heads, same, 0.2).index_select(0, first);
  EXPECT_LT(gap(alone.detach(), among.detach()), 1e-6);
  Tensor upstream = at::randn_like(alone);
  alone.backward(upstream);
  among.backward(upstream);
  EXPECT_LT(gap(x.grad(), y.grad()), 1e-6);
  EXPECT_LT(gap(bias.grad(), same.grad()), 1e-6);
}

// With values of one, a row of the context is the sum of its kept probabilities.
TEST(RaggedAttention, DropoutKeepsTheMeanAndTheShare) {
  const int64_t heads = 4, width = 16, n = 64, rows = 32;
  const double p = 0.25;
  Tensor x = at::zeros({rows * n, 3 * heads * width});
  x.narrow(1, 2 * heads * width, heads * width).fill_(1);
  std::vector<int64_t> offsets;
  for (int64_t i = 0; i <= rows; ++i) offsets.push_back(i * n);
  at::manual_seed(5);
  Tensor kept = ragged_attention(x, offsets, heads, {}, p);  // each is count / 64 / (1 - p)
  EXPECT_NEAR(kept.mean().item<double>(), 1, 0.01);
  const double deviation = kept.view({rows * n, heads, width}).select(2, 0).std().item<double>();
  EXPECT_NEAR(deviation, std::sqrt(p / (1 - p) / static_cast<double>(n)), 0.005);
}

TEST(RaggedAttention, TheGradientUnderDropoutIsTheDerivative) {
  const Case c{{4, 6}, 2, 4};
  const auto offsets = offsets_of(c.lengths);
  Tensor x = random_input(c, 7).requires_grad_();
  at::manual_seed(11);
  Tensor weight = at::randn({10, 8});
  auto value = [&](const Tensor& at_x) {
    at::manual_seed(13);  // the same mask each time
    return (ragged_attention(at_x, offsets, c.heads, {}, 0.3) * weight).to(at::kDouble).sum();
  };
  value(x).backward();
  torch::NoGradGuard no_grad;
  for (int64_t i : {0, 17, 55, 130, 239}) {
    const double step = 1e-2;
    Tensor up = x.detach().clone(), down = x.detach().clone();
    up.view(-1)[i] += step;
    down.view(-1)[i] -= step;
    const double slope = (value(up) - value(down)).item<double>() / (2 * step);
    EXPECT_NEAR(x.grad().view(-1)[i].item<double>(), slope, 2e-3) << i;
  }
}

TEST(RaggedAttention, DoesNotDependOnTheThreads) {
  const Case c{{40, 3, 77, 12}, 3, 32};
  Tensor x = random_input(c, 17);
  const int before = at::get_num_threads();
  auto run = [&](int threads) {
    at::set_num_threads(threads);
    at::manual_seed(19);
    return ragged_attention(x, offsets_of(c.lengths), c.heads, {}, 0.1);
  };
  Tensor one = run(1), four = run(4);
  at::set_num_threads(before);
  EXPECT_TRUE(at::equal(one, four));
}

TEST(RaggedAttention, RefusesWhatDoesNotFit) {
  EXPECT_THROW(ragged_attention(at::zeros({4, 12}, at::kDouble), {0, 4}, 2), c10::Error);
  EXPECT_THROW(ragged_attention(at::zeros({4, 13}), {0, 4}, 2), c10::Error);
  EXPECT_THROW(ragged_attention(at::zeros({4, 12}), {0, 3}, 2), c10::Error);
}

}  // namespace
}  // namespace espalier
