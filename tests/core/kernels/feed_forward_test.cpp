#include "core/kernels/feed_forward.h"

#include <gtest/gtest.h>
#include <torch/types.h>

namespace espalier {
namespace {

using torch::Tensor;

// x, up weight and bias, down weight and bias, in double: what remains between the two is rounding.
std::vector<Tensor> random_inputs(int64_t rows, uint64_t seed) {
  at::manual_seed(seed);
  const auto options = at::TensorOptions().dtype(at::kDouble);
  std::vector<Tensor> out = {at::randn({rows, 12}, options), at::randn({20, 12}, options),
                             at::randn({20}, options), at::randn({12, 20}, options),
                             at::randn({12}, options)};
  for (Tensor& tensor : out) tensor.requires_grad_();
  return out;
}

Tensor plain(const std::vector<Tensor>& in, const char* approximate) {
  return at::linear(at::gelu(at::linear(in[0], in[1], in[2]), approximate), in[3], in[4]);
}

Tensor ours(const std::vector<Tensor>& in, const char* approximate) {
  return feed_forward(in[0], in[1], in[2], in[3], in[4], approximate);
}

TEST(FeedForward, AgreesWithThePlainOneForwardAndBackward) {
  for (const char* approximate : {"none", "tanh"}) {
    for (int64_t rows : {1, 511, 513, 1500}) {  // one block, a part of one, several
      auto a = random_inputs(rows, 1), b = random_inputs(rows, 1);
      Tensor x = ours(a, approximate), y = plain(b, approximate);
      EXPECT_LT((x - y).abs().max().item<double>(), 1e-12) << rows;
      Tensor upstream = at::randn_like(x);
      x.backward(upstream);
      y.backward(upstream);
      for (size_t i = 0; i < a.size(); ++i) {
        EXPECT_LT((a[i].grad() - b[i].grad()).abs().max().item<double>(), 1e-10)
            << rows << " rows, input " << i;
      }
    }
  }
}

// The length of the difference, as a share of the length of what is right.
double share_off(const Tensor& x, const Tensor& right) {
  return ((x.to(at::kDouble) - right).norm() / right.norm()).item<double>();
}

TEST(FeedForward, StaysAsNearAsBf16AllowsOverManyBlocks) {
  auto exact = random_inputs(6000, 3);  // twelve blocks
  std::vector<Tensor> rounded;
  for (Tensor& tensor : exact) {
    rounded.push_back(tensor.detach().to(at::kBFloat16).requires_grad_());
    tensor = rounded.back().detach().to(at::kDouble).requires_grad_();
  }
  Tensor x = ours(rounded, "none"), y = plain(exact, "none");
  EXPECT_EQ(x.scalar_type(), at::kBFloat16);
  EXPECT_LT(share_off(x, y), 1e-2);
  Tensor upstream = at::randn_like(y).to(at::kBFloat16);
  x.backward(upstream);
  y.backward(upstream.to(at::kDouble));
  for (size_t i = 0; i < exact.size(); ++i)
    EXPECT_LT(share_off(rounded[i].grad(), exact[i].grad()), 1e-2) << "input " << i;
}

TEST(FeedForward, WhatIsFrozenGetsNoGradient) {
  auto in = random_inputs(7, 2);
  in[0].requires_grad_(false);
  in[1].requires_grad_(false);
  ours(in, "none").sum().backward();
  EXPECT_FALSE(in[0].grad().defined());
  EXPECT_FALSE(in[1].grad().defined());
  EXPECT_TRUE(in[3].grad().defined());
}

}  // namespace
}  // namespace espalier
