#include "core/kernels/panel_linear8.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

namespace espalier::kernels {
namespace {

using torch::Tensor;

struct Weight8 {
  Tensor numbers, scales, bias;  // int8 [outputs, inputs], [outputs], [outputs]

  Weight8(int64_t outputs, int64_t inputs)
      : numbers(at::randint(-127, 128, {outputs, inputs}, at::kChar)),
        scales(at::rand({outputs}) + 0.5),
        bias(at::randn({outputs})) {}
  PanelLinear8 panels() const {
    return {numbers.const_data_ptr<int8_t>(), scales.const_data_ptr<float>(),
            bias.const_data_ptr<float>(), numbers.size(0), numbers.size(1)};
  }
};

Rows8 rows_of(const Tensor& x) {
  Rows8 out;
  out.reset(x.size(0), x.size(1));
  out.quantise(x.const_data_ptr<float>(), x.size(1), 0, x.size(0));
  return out;
}

// All outputs of all rows, with a column more than there is: what lies there must stay.
Tensor multiplied8(const PanelLinear8& linear, const Rows8& rows, After after = After::kNothing,
                   const Tensor& add = {}) {
  Tensor y = at::full({rows.rows(), linear.outputs() + 1}, 7.0F);
  linear.multiply(0, linear.panels(), rows, 0, rows.rows(), y.mutable_data_ptr<float>(),
                  linear.outputs() + 1, after,
                  add.defined() ? add.const_data_ptr<float>() : nullptr, linear.outputs());
  EXPECT_TRUE(y.select(1, linear.outputs()).eq(7).all().item<bool>());
  return y.narrow(1, 0, linear.outputs());
}

// The integer twin: numbers less their zero points, multiplied and summed in 64 bits.
Tensor exact_sums(const Rows8& rows, const Tensor& weight) {
  const int64_t width = weight.size(1);
  Tensor x = at::empty({rows.rows(), width}, at::kLong);
  for (int64_t r = 0; r < rows.rows(); ++r) {
    for (int64_t k = 0; k < width; ++k) x[r][k] = int64_t{rows.row(r)[k]} - rows.zero(r);
  }
  return at::matmul(x, weight.to(at::kLong).t());
}

double gap8(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

std::vector<Multiplies8> ways() {
  std::vector<Multiplies8> out = {Multiplies8::kPlain};
  if (PanelLinear8::best() != Multiplies8::kPlain) out.push_back(Multiplies8::kAvx2);
  if (PanelLinear8::best() == Multiplies8::kVnni) out.push_back(Multiplies8::kVnni);
  return out;
}

// Depths that are no multiple of the four inputs of an instruction, panels that are not full, tiles
// of every height; every way gives the same bits, and they are those of the integers.
TEST(PanelLinear8, EqualsTheIntegerTwinForEveryShapeOfTile) {
  at::manual_seed(1);
  for (const int64_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 13}) {
    for (const auto& [outputs, inputs] :
         {std::pair<int64_t, int64_t>{48, 8}, {1, 1}, {50, 33}, {97, 22}}) {
      const Weight8 weight(outputs, inputs);
      const Rows8 x = rows_of(at::randn({rows, inputs}));
      Tensor scale = at::empty({rows, 1}, at::kDouble);
      for (int64_t r = 0; r < rows; ++r) scale[r] = x.scale(r);
      const Tensor expected =
          exact_sums(x, weight.numbers).to(at::kDouble) * scale * weight.scales + weight.bias;
      PanelLinear8 linear = weight.panels();
      linear.use(Multiplies8::kPlain);
      const Tensor plain = multiplied8(linear, x);
      EXPECT_LE(gap8(plain, expected), 1e-6 * (1 + expected.abs().max().item<double>()))
          << rows << " x " << outputs << " x " << inputs;
      for (const Multiplies8 how : ways()) {
        linear.use(how);
        EXPECT_TRUE(at::equal(multiplied8(linear, x), plain)) << static_cast<int>(how);
      }
    }
  }
}

// 255 times 127 twice is more than 16 bits hold: instructions that sum pairs there would saturate.
TEST(PanelLinear8, NothingSaturates) {
  Weight8 weight(48, 1024);
  weight.numbers.fill_(127);
  weight.scales.fill_(1);
  weight.bias.fill_(0);
  const Rows8 x = rows_of(at::full({9, 1024}, 255.0F));
  for (const Multiplies8 how : ways()) {
    PanelLinear8 linear = weight.panels();
    linear.use(how);
    EXPECT_TRUE(multiplied8(linear, x).eq(255.0F * 127 * 1024).all().item<bool>());
  }
}

TEST(PanelLinear8, ActivatesAndAddsLikeThePanelsOfFloats) {
  at::manual_seed(2);
  const Weight8 weight(70, 24);
  const PanelLinear8 linear = weight.panels();
  const Rows8 x = rows_of(at::randn({10, 24}) * 0.01);
  const Tensor y = multiplied8(linear, x), add = at::randn({10, 70});
  EXPECT_LE(gap8(multiplied8(linear, x, After::kGelu, add), at::gelu(y) + add), 2e-5);
  EXPECT_TRUE(at::equal(multiplied8(linear, x, After::kRelu, add), at::relu(y) + add));
}

TEST(PanelLinear8, PanelsAndRowsMayBeComputedApart) {
  at::manual_seed(3);
  const Weight8 weight(130, 24);
  const PanelLinear8 linear = weight.panels();
  const Rows8 x = rows_of(at::randn({11, 24}));
  Tensor y = at::zeros({11, 130});
  for (int64_t panel = 0; panel < linear.panels(); ++panel) {
    linear.multiply(panel, panel + 1, x, 0, 4, y.mutable_data_ptr<float>(), 130);
    linear.multiply(panel, panel + 1, x, 4, 11, y[4].mutable_data_ptr<float>(), 130);
  }
  EXPECT_TRUE(at::equal(y, multiplied8(linear, x)));
}

// Steps of (30 - -20) / 255 from -20 on: 0 is number 102, and half a step and more is a step.
TEST(Rows8, KeepsBothEndsAndZero) {
  const Tensor x = torch::tensor({-20.0F, 0.0F, 30.0F, 0.1F, 50.0F / 255}).view({1, 5});
  const Rows8 rows = rows_of(x);
  EXPECT_FLOAT_EQ(rows.scale(0), 50.0F / 255);
  EXPECT_EQ(rows.zero(0), 102);
  const std::vector<int> expected = {0, 102, 255, 103, 103};
  for (size_t k = 0; k < expected.size(); ++k) EXPECT_EQ(rows.row(0)[k], expected[k]) << k;
}

TEST(Rows8, NothingIsOffByMoreThanHalfAStep) {
  at::manual_seed(4);
  for (const int64_t width : {1, 15, 16, 17, 100}) {
    const Tensor x = at::randn({7, width}) * 3 + 1;
    const Rows8 rows = rows_of(x);
    for (int64_t r = 0; r < 7; ++r) {
      for (int64_t k = 0; k < width; ++k) {
        const float back = rows.scale(r) * static_cast<float>(int{rows.row(r)[k]} - rows.zero(r));
        EXPECT_LE(std::abs(back - x[r][k].item<float>()), rows.scale(r) * 0.501F);
      }
    }
  }
}

TEST(Rows8, RowsOfNothingGiveTheBias) {
  const Weight8 weight(3, 5);
  for (const double value : {0.0, 1e-40})
    EXPECT_TRUE(at::equal(multiplied8(weight.panels(), rows_of(at::full({2, 5}, value))),
                          weight.bias.expand({2, 3})));
}

TEST(Rows8, WhatIsNoNumberIsNotHidden) {
  const Weight8 weight(3, 40);
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    for (const int64_t place : {0, 17, 39}) {
      Tensor x = at::ones({2, 40});
      x[1][place] = bad;
      const Tensor y = multiplied8(weight.panels(), rows_of(x));
      EXPECT_TRUE(y[0].isfinite().all().item<bool>());
      EXPECT_TRUE(y[1].isnan().all().item<bool>()) << bad << " at " << place;
    }
  }
}

// 255 steps over a range of about 5.9 standard deviations, and a mean error of 1 / sqrt(12) of one:
// 0.7 % of the result's size.
TEST(Rows8, ErrsByLessThanAPercentOnNormalNumbers) {
  at::manual_seed(5);
  const Weight8 weight(200, 384);
  const Tensor x = at::randn({64, 384});
  const Tensor exact =
      at::linear(x, weight.numbers.to(at::kFloat) * weight.scales.unsqueeze(1), weight.bias);
  const Tensor y = multiplied8(weight.panels(), rows_of(x));
  EXPECT_LE(((y - exact).norm() / exact.norm()).item<double>(), 0.008);
}

}  // namespace
}  // namespace espalier::kernels
