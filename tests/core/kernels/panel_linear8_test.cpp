#include "core/kernels/panel_linear8.h"

#include <gtest/gtest.h>
#include <torch/types.h>

namespace espalier::kernels {
namespace {

using torch::Tensor;

Tensor multiplied(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  const int64_t rows = x.size(0), outputs = weight.size(0), inputs = weight.size(1);
  const PanelLinear8 linear(weight.const_data_ptr<float>(), bias.const_data_ptr<float>(), outputs,
                            inputs);
  Rows8 numbers;
  numbers.quantise(x.const_data_ptr<float>(), inputs, rows, inputs);
  Tensor y = at::empty({rows, outputs});
  linear.multiply(0, linear.panels(), numbers, 0, rows, y.mutable_data_ptr<float>(), outputs);
  return y;
}

// Whole numbers of -100..155 with both ends in every row, so that a step is 1 and the zero point
// 100; weights of -127..127 with an end in every row. Nothing is rounded then.
TEST(PanelLinear8, SumsExactlyWhatNeedsNoRounding) {
  at::manual_seed(1);
  for (const int64_t rows : {1, 3, 8, 13}) {
    for (const auto& [outputs, inputs] :
         {std::pair<int64_t, int64_t>{48, 8}, {1, 2}, {50, 33}, {97, 1030}}) {
      Tensor x = at::randint(-100, 156, {rows, inputs}).to(at::kFloat);
      x.select(1, 0).fill_(-100);
      x.select(1, 1).fill_(155);
      Tensor weight = at::randint(-127, 128, {outputs, inputs}).to(at::kFloat);
      weight.select(1, 1).fill_(-127);
      Tensor bias = at::randint(-9, 10, {outputs}).to(at::kFloat);
      const Tensor expected =
          at::linear(x.to(at::kDouble), weight.to(at::kDouble), bias.to(at::kDouble));
      // fp32 holds sums up to 2^24.
      EXPECT_LE((multiplied(x, weight, bias) - expected).abs().max().item<double>(),
                expected.abs().max().item<double>() / (1 << 22))
          << rows << " x " << outputs << " x " << inputs;
    }
  }
}

// Rounding to steps of a range of about 6.6 standard deviations of which there are 255: an error of
// about 1 % of the result's size.
TEST(PanelLinear8, ErrsByAPercentOnNormalNumbers) {
  at::manual_seed(2);
  Tensor x = at::randn({64, 384}), weight = at::randn({200, 384}), bias = at::randn({200});
  const Tensor exact = at::linear(x, weight, bias), y = multiplied(x, weight, bias);
  EXPECT_LE(((y - exact).norm() / exact.norm()).item<double>(), 0.013);
}

TEST(PanelLinear8, RowsOfNothingGiveTheBias) {
  Tensor x = at::zeros({2, 5}), weight = at::randn({3, 5}), bias = at::randn({3});
  EXPECT_TRUE(at::equal(multiplied(x, weight, bias), bias.expand({2, 3})));
}

// A row far from zero keeps zero among its numbers: its smallest difference is a 255th of all.
TEST(PanelLinear8, ARowThatNeverCrossesZeroIsStillItself) {
  Tensor x = at::linspace(10, 20, 16, at::kFloat).view({1, 16}), weight = at::eye(16, at::kFloat);
  const Tensor y = multiplied(x, weight, at::zeros({16}));
  EXPECT_LE((y - x).abs().max().item<double>(), 20.0 / 255);
}

}  // namespace
}  // namespace espalier::kernels
