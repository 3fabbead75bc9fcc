#include "core/kernels/panel_linear16.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>
#include <limits>

namespace espalier::kernels {
namespace {

using torch::Tensor;

PanelLinear16 panels16(const Tensor& weight, const Tensor& bias) {
  return {weight.const_data_ptr<float>(), bias.const_data_ptr<float>(), weight.size(0),
          weight.size(1)};
}

Rows16 rounded_rows(const Tensor& x) {
  Rows16 out;
  out.reset(x.size(0), x.size(1));
  out.round(x.const_data_ptr<float>(), x.size(1), 0, x.size(0));
  return out;
}

// All outputs of all rows, with a column more than there is: what lies there must stay.
Tensor multiplied16(const PanelLinear16& linear, const Tensor& x, After after = After::kNothing,
                    const Tensor& add = {}) {
  const Rows16 rows = rounded_rows(x);
  Tensor y = at::full({x.size(0), linear.outputs() + 1}, 7.0F);
  linear.multiply(0, linear.panels(), rows.row(0), rows.stride(), x.size(0),
                  y.mutable_data_ptr<float>(), linear.outputs() + 1, after,
                  add.defined() ? add.const_data_ptr<float>() : nullptr, linear.outputs());
  EXPECT_TRUE(y.select(1, linear.outputs()).eq(7).all().item<bool>());
  return y.narrow(1, 0, linear.outputs());
}

Tensor as_bf16(const Tensor& x) { return x.to(at::kBFloat16).to(at::kDouble); }

double gap16(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

// Odd depths, panels that are not full, tiles of every height: the rounded numbers' exact products,
// by the instruction where there is one and by plain loops.
TEST(PanelLinear16, EqualsTheRoundedNumbersInDoublePrecision) {
  at::manual_seed(1);
  for (const int64_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 13}) {
    for (const auto& [outputs, inputs] :
         {std::pair<int64_t, int64_t>{48, 8}, {1, 1}, {50, 33}, {97, 22}}) {
      const Tensor weight = at::randn({outputs, inputs}), bias = at::randn({outputs});
      const Tensor x = at::randn({rows, inputs});
      const Tensor expected = at::linear(as_bf16(x), as_bf16(weight), bias.to(at::kDouble));
      PanelLinear16 linear = panels16(weight, bias);
      EXPECT_LE(gap16(multiplied16(linear, x), expected), 1e-5)
          << rows << " x " << outputs << " x " << inputs;
      linear.use_plain();
      EXPECT_LE(gap16(multiplied16(linear, x), expected), 1e-5)
          << "plain, " << rows << " x " << outputs << " x " << inputs;
    }
  }
}

TEST(PanelLinear16, ActivatesAndAddsLikeThePanelsOfFloats) {
  at::manual_seed(2);
  const PanelLinear16 linear = panels16(at::randn({70, 24}), at::randn({70}));
  const Tensor x = at::randn({10, 24}), y = multiplied16(linear, x), add = at::randn({10, 70});
  EXPECT_LE(gap16(multiplied16(linear, x, After::kGelu, add), at::gelu(y) + add), 2e-5);
  EXPECT_TRUE(at::equal(multiplied16(linear, x, After::kRelu, add), at::relu(y) + add));
}

TEST(PanelLinear16, PanelsAndRowsMayBeComputedApart) {
  at::manual_seed(3);
  const PanelLinear16 linear = panels16(at::randn({130, 24}), at::randn({130}));
  const Tensor x = at::randn({11, 24});
  const Rows16 rows = rounded_rows(x);
  Tensor y = at::zeros({11, 130});
  for (int64_t panel = 0; panel < linear.panels(); ++panel) {
    linear.multiply(panel, panel + 1, rows.row(0), rows.stride(), 4, y.mutable_data_ptr<float>(),
                    130);
    linear.multiply(panel, panel + 1, rows.row(4), rows.stride(), 7, y[4].mutable_data_ptr<float>(),
                    130);
  }
  EXPECT_TRUE(at::equal(y, multiplied16(linear, x)));
}

// Ties, both signs, numbers that round up to the next power or to infinity, numbers below 2^-126.
TEST(Rows16, RoundAsLibTorchDoes) {
  at::manual_seed(4);
  const float most = std::numeric_limits<float>::max();
  const Tensor odd = torch::tensor({0.0F, -0.0F, 1.00390625F, 1.01171875F, 1.998046875F, most,
                                    -most, 1e-40F, -3e-39F, INFINITY, -INFINITY});
  for (const Tensor& values : {odd, at::randn({1000}), at::randn({33}) * 1e30}) {
    const Rows16 rows = rounded_rows(values.view({1, -1}));
    const Tensor expected = values.to(at::kBFloat16);
    const auto* bits = static_cast<const uint16_t*>(expected.const_data_ptr());
    for (int64_t k = 0; k < values.numel(); ++k)
      EXPECT_EQ(rows.row(0)[k], bits[k]) << values[k].item<float>();
  }
}

TEST(Rows16, WhatIsNoNumberIsNotHidden) {
  const PanelLinear16 linear = panels16(at::ones({3, 40}), at::zeros({3}));
  for (const float bad : {NAN, -NAN, INFINITY}) {
    for (const int64_t place : {0, 17, 39}) {
      Tensor x = at::ones({2, 40});
      x[1][place] = bad;
      const Tensor y = multiplied16(linear, x);
      EXPECT_TRUE(y[0].isfinite().all().item<bool>());
      EXPECT_FALSE(y[1].isfinite().any().item<bool>()) << bad << " at " << place;
    }
  }
}

// A smaller batch after a larger one computes in the same memory: what an odd row ends with is 0
// again.
TEST(Rows16, MemoryIsUsedAgain) {
  Rows16 rows;
  rows.reset(4, 40);
  const Tensor x = at::full({4, 40}, NAN);
  rows.round(x.const_data_ptr<float>(), 40, 0, 4);
  rows.reset(2, 3);
  const Tensor y = at::ones({2, 3});
  rows.round(y.const_data_ptr<float>(), 3, 0, 2);
  for (int64_t r = 0; r < 2; ++r) EXPECT_EQ(rows.row(r)[3], 0);
}

}  // namespace
}  // namespace espalier::kernels
