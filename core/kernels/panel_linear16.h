// y = f(x W^T + b) with bf16 inside: weights and inputs are rounded to bfloat16 (8 bits of
// significand, to nearest, ties to even), their products summed in fp32, and nothing is rounded
// after that: results are as exact as the operands.
//
// Panels of 48 outputs as in panel_linear.h, two inputs of an output beside each other, as
// AVX512_BF16 multiplies them: [outputs / 48][inputs / 2][48][2]. That instruction takes numbers
// below 2^-126 for 0 and rounds between its two sums, so that results differ from those of the
// plain loops by fp32's rounding.
#pragma once

#include <cstdint>
#include <vector>

#include "core/kernels/panel_linear.h"

namespace espalier::kernels {

// Rows as bfloat16, which is the upper half of fp32's bits.
class Rows16 {
 public:
  // As Rows8::reset().
  void reset(int64_t rows, int64_t width);
  // Rows [first, last) of x [rows, width], `stride` between rows. What is no number stays none.
  // Threads may do different rows.
  void round(const float* x, int64_t stride, int64_t first, int64_t last);

  // Numbers between rows. The one behind the end of an odd row is 0.
  int64_t stride() const { return stride_; }
  const uint16_t* row(int64_t r) const { return numbers_.get() + r * stride_; }

 private:
  int64_t width_ = 0, stride_ = 0, room_ = 0;
  AlignedArray<uint16_t> numbers_;
};

class PanelLinear16 {
 public:
  static constexpr int64_t kPanel = PanelLinear::kPanel;

  PanelLinear16() = default;
  // weight [outputs, inputs], dense, is rounded; bias [outputs] or null for zeros stays fp32. Both
  // are copied.
  PanelLinear16(const float* weight, const float* bias, int64_t outputs, int64_t inputs);

  int64_t inputs() const { return inputs_; }
  int64_t outputs() const { return outputs_; }
  int64_t panels() const { return (outputs_ + kPanel - 1) / kPanel; }

  // As PanelLinear::multiply(), of x [rows, inputs] in bfloat16; behind an odd number of inputs
  // comes a number that counts for nothing, as Rows16 has it.
  void multiply(int64_t first, int64_t last, const uint16_t* x, int64_t x_stride, int64_t rows,
                float* y, int64_t y_stride, After after = After::kNothing,
                const float* add = nullptr, int64_t add_stride = 0) const;

  // Whether this processor has the instruction; and, for tests, to do without it.
  static bool is_fast();
  void use_plain() { fast_ = false; }

 private:
  int64_t inputs_ = 0, outputs_ = 0, pairs_ = 0;
  AlignedArray<uint16_t> panels_;
  std::vector<float> bias_;  // of whole panels
  bool fast_ = false;
};

}  // namespace espalier::kernels
