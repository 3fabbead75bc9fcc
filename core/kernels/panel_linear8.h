// y = f(x W^T + b) with 8-bit integers inside: weights are signed, one scale for each output
// (symmetric); inputs are unsigned, one scale and zero point for each row, found when the row is
// there (dynamic quantisation). Products are summed exactly, in 32 bits, which is enough for any
// depth below 2^16; what goes in and comes out is fp32.
//
// Panels of 48 outputs as in panel_linear.h, four inputs of an output beside each other, as
// AVX512-VNNI multiplies them: [outputs / 48][inputs / 4][48][4]. Elsewhere plain loops do the same
// sums, to the bit.
#pragma once

#include <cstdint>
#include <vector>

#include "core/kernels/panel_linear.h"

namespace espalier::kernels {

// Rows as 8-bit numbers: value = scale (number - zero). Columns are padded to a multiple of 4 with
// `zero`... of which the weights' padding is 0, so they count for nothing.
class Rows8 {
 public:
  // x [rows, width], `stride` between rows. The largest and the smallest number of a row, and 0,
  // are kept within half a step.
  void quantise(const float* x, int64_t stride, int64_t rows, int64_t width);

  int64_t rows() const { return static_cast<int64_t>(scale_.size()); }
  int64_t stride() const { return stride_; }
  const uint8_t* row(int64_t r) const { return numbers_.data() + r * stride_; }
  float scale(int64_t r) const { return scale_[static_cast<size_t>(r)]; }
  int32_t zero(int64_t r) const { return zero_[static_cast<size_t>(r)]; }

 private:
  int64_t stride_ = 0;
  std::vector<uint8_t> numbers_;
  std::vector<float> scale_;
  std::vector<int32_t> zero_;
};

class PanelLinear8 {
 public:
  static constexpr int64_t kPanel = PanelLinear::kPanel;

  PanelLinear8() = default;
  // weight [outputs, inputs] with values that are scale[output] times a number of -127..127, as
  // quantised_scales() has them: anything else is rounded to the nearest such.
  PanelLinear8(const float* weight, const float* bias, int64_t outputs, int64_t inputs);

  int64_t inputs() const { return inputs_; }
  int64_t outputs() const { return outputs_; }
  int64_t panels() const { return (outputs_ + kPanel - 1) / kPanel; }

  // As PanelLinear::multiply, of rows [begin, end) of x; y and add begin at row `begin`.
  void multiply(int64_t first, int64_t last, const Rows8& x, int64_t begin, int64_t end, float* y,
                int64_t y_stride, After after = After::kNothing, const float* add = nullptr,
                int64_t add_stride = 0) const;

 private:
  int64_t inputs_ = 0, outputs_ = 0, groups_ = 0;  // groups of four inputs
  std::vector<int8_t> panels_;
  std::vector<float> scale_, bias_;  // of whole panels
  std::vector<int32_t> sums_;        // of each output's numbers, for the inputs' zero points
};

}  // namespace espalier::kernels
