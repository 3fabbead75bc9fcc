#include "core/kernels/panel_linear.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <cmath>

namespace espalier::kernels {
namespace {

using torch::Tensor;

Tensor reference(const Tensor& x, const Tensor& weight, const Tensor& bias, After after) {
  const Tensor y = at::linear(x.to(at::kDouble), weight.to(at::kDouble), bias.to(at::kDouble));
  switch (after) {
    case After::kGelu:
      return at::gelu(y);
    case After::kGeluTanh:
      return at::gelu(y, "tanh");
    case After::kRelu:
      return at::relu(y);
    case After::kTanh:
      return at::tanh(y);
    case After::kNothing:
      break;
  }
  return y;
}

Tensor computed(const Tensor& x, const Tensor& weight, const Tensor& bias, After after,
                const Tensor& add = {}) {
  const int64_t rows = x.size(0), outputs = weight.size(0), inputs = weight.size(1);
  const PanelLinear linear(weight.const_data_ptr<float>(), bias.const_data_ptr<float>(), outputs,
                           inputs);
  // One column more than there is: what lies there must stay.
  Tensor y = at::full({rows, outputs + 1}, 7.0F);
  linear.multiply(0, linear.panels(), x.const_data_ptr<float>(), inputs, rows,
                  y.mutable_data_ptr<float>(), outputs + 1, after,
                  add.defined() ? add.const_data_ptr<float>() : nullptr, outputs);
  EXPECT_TRUE(y.select(1, outputs).eq(7).all().item<bool>());
  return y.narrow(1, 0, outputs);
}

double gap(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

TEST(PanelLinear, EqualsLibTorchForEveryShapeOfTile) {
  at::manual_seed(1);
  for (const int64_t rows : {1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 31}) {
    for (const auto& [outputs, inputs] :
         {std::pair<int64_t, int64_t>{48, 8}, {1, 1}, {50, 33}, {97, 20}}) {
      Tensor x = at::randn({rows, inputs}), weight = at::randn({outputs, inputs}),
             bias = at::randn({outputs});
      EXPECT_LE(gap(computed(x, weight, bias, After::kNothing),
                    reference(x, weight, bias, After::kNothing)),
                2e-5)
          << rows << " x " << outputs << " x " << inputs;
    }
  }
}

// Far values too: exponentials must neither overflow nor lose the sign.
TEST(PanelLinear, AppliesEveryActivation) {
  Tensor x = at::cat({at::linspace(-30, 30, 1201), torch::tensor({-1e6F, 1e6F})}).view({-1, 1});
  Tensor weight = at::ones({3, 1}), bias = at::zeros({3});
  for (const After after : {After::kGelu, After::kGeluTanh, After::kRelu, After::kTanh}) {
    EXPECT_LE(gap(computed(x, weight, bias, after), reference(x, weight, bias, after)), 2e-6)
        << static_cast<int>(after);
  }
}

TEST(PanelLinear, WhatIsNoNumberStaysNone) {
  const Tensor weight = at::eye(3), bias = at::zeros({3});
  const Tensor x = torch::tensor({NAN, 1.0F, -2.0F}).view({1, 3});
  for (const After after :
       {After::kNothing, After::kGelu, After::kGeluTanh, After::kRelu, After::kTanh}) {
    const Tensor y = computed(at::cat({at::ones({1, 3}), x}), weight, bias, after);
    EXPECT_TRUE(y[0].isfinite().all().item<bool>());
    EXPECT_TRUE(y[1][0].isnan().item<bool>()) << static_cast<int>(after);
  }
}

TEST(PanelLinear, AddsBehindTheActivation) {
  at::manual_seed(2);
  Tensor x = at::randn({10, 24}), weight = at::randn({70, 24}), bias = at::randn({70}),
         add = at::randn({10, 70});
  EXPECT_LE(gap(computed(x, weight, bias, After::kGelu, add),
                reference(x, weight, bias, After::kGelu) + add),
            2e-5);
}

TEST(PanelLinear, PanelsMayBeComputedApart) {
  at::manual_seed(3);
  Tensor x = at::randn({5, 24}), weight = at::randn({130, 24}), bias = at::randn({130});
  const PanelLinear linear(weight.const_data_ptr<float>(), bias.const_data_ptr<float>(), 130, 24);
  Tensor whole = computed(x, weight, bias, After::kNothing), y = at::zeros({5, 130});
  for (int64_t panel = 0; panel < linear.panels(); ++panel) {
    linear.multiply(panel, panel + 1, x.const_data_ptr<float>(), 24, 5, y.mutable_data_ptr<float>(),
                    130);
  }
  EXPECT_TRUE(at::equal(y, whole));
}

TEST(LayerNorm, EqualsLibTorchForAnyWidth) {
  at::manual_seed(4);
  for (const int64_t width : {1, 15, 16, 17, 384}) {
    Tensor x = at::randn({9, width}) * 3 + 100, weight = at::randn({width}),
           bias = at::randn({width});
    Tensor expected = at::layer_norm(x.to(at::kDouble), {width}, weight.to(at::kDouble),
                                     bias.to(at::kDouble), 1e-12);
    Tensor y = at::empty_like(x);
    layer_norm(x.const_data_ptr<float>(), 9, width, weight.const_data_ptr<float>(),
               bias.const_data_ptr<float>(), 1e-12, y.mutable_data_ptr<float>());
    EXPECT_LE(gap(y, expected), 1e-3) << width;
  }
}

}  // namespace
}  // namespace espalier::kernels
