// Inputs that a formula gives, so that they can be rebuilt anywhere, and a short description of
// what came out: for tests that hold numbers of other code.
#pragma once

#include <gtest/gtest.h>
#include <torch/types.h>

#include <string>
#include <vector>

namespace espalier::testing {

// size sin(step i + start) at the i-th place, in double.
inline torch::Tensor wave(const std::vector<int64_t>& shape, double step, double start,
                          double size = 1) {
  const int64_t count = c10::multiply_integers(shape);
  return ((at::arange(count, at::kDouble) * step + start).sin() * size).view(shape);
}
inline torch::Tensor trained_wave(const std::vector<int64_t>& shape, double step, double start,
                                  double size = 1) {
  return wave(shape, step, start, size).set_requires_grad(true);
}

// Of a tensor's values x_i: their sum, sum_i x_i cos(i), and the largest |x_i|.
struct Sketch {
  double sum = 0, along = 0, most = 0;
};
// `slack` is relative to the largest.
inline void expect_sketch(const torch::Tensor& tensor, const Sketch& expected, double slack) {
  ASSERT_TRUE(tensor.defined());
  const torch::Tensor x = tensor.detach().flatten().to(at::kDouble);
  const double near = slack * expected.most;
  EXPECT_NEAR(x.sum().item<double>(), expected.sum, near);
  EXPECT_NEAR((x * at::arange(x.numel(), at::kDouble).cos()).sum().item<double>(), expected.along,
              near);
  EXPECT_NEAR(x.abs().max().item<double>(), expected.most, near);
}

// A mask as a string of 0 and 1.
inline std::string bits(const torch::Tensor& mask) {
  std::string out;
  const torch::Tensor open = mask.detach().flatten().ne(0);
  for (int64_t i = 0; i < open.numel(); ++i) out += open[i].item<bool>() ? '1' : '0';
  return out;
}

}  // namespace espalier::testing
