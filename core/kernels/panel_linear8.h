// y = f(x W^T + b) with 8-bit integers inside: weights are signed, -127..127, with one scale for
// each output; inputs are unsigned, with one scale and zero point for each row, found when the row
// is there (dynamic quantisation), so that a row's result does not depend on its companions.
// Products are summed exactly, in 32 bits, which is enough for any depth up to kMostInputs; what
// goes in and comes out is fp32.
//
// Panels of 48 outputs as in panel_linear.h, four inputs of an output beside each other, as
// AVX512-VNNI multiplies them: [outputs / 48][inputs / 4][48][4]. AVX2, whose own product of bytes
// saturates, multiplies them as 16 bits; elsewhere plain loops do. The sums are the same to the
// bit, and so are the numbers that inputs become.
#pragma once

#include <cstdint>
#include <vector>

#include "core/kernels/panel_linear.h"

namespace espalier::kernels {

// Rows as 8-bit numbers: value = scale (number - zero).
class Rows8 {
 public:
  // Room for so many rows; what was larger before stays, so that batches ask for no memory. What
  // stood there is lost.
  void reset(int64_t rows, int64_t width);
  // Rows [first, last) of x [rows, width], `stride` between rows. The largest and the smallest
  // value of a row, and 0, are kept within half a step. A row that holds an infinity or no number
  // gets a scale that is none, and so do all outputs of it. Threads may do different rows.
  void quantise(const float* x, int64_t stride, int64_t first, int64_t last);

  int64_t rows() const { return static_cast<int64_t>(scale_.size()); }
  // Bytes between rows: whole groups of four; those behind a row's end count for nothing, because
  // the weights' padding is 0.
  int64_t stride() const { return stride_; }
  const uint8_t* row(int64_t r) const { return numbers_.get() + r * stride_; }
  float scale(int64_t r) const { return scale_[static_cast<size_t>(r)]; }
  int32_t zero(int64_t r) const { return zero_[static_cast<size_t>(r)]; }

 private:
  int64_t width_ = 0, stride_ = 0, room_ = 0;
  AlignedArray<uint8_t> numbers_;
  std::vector<float> scale_;
  std::vector<int32_t> zero_;
};

// Which instructions multiply.
enum class Multiplies8 { kPlain, kAvx2, kVnni };

class PanelLinear8 {
 public:
  static constexpr int64_t kPanel = PanelLinear::kPanel;
  static constexpr int64_t kMostInputs = 65536;

  PanelLinear8() = default;
  // numbers [outputs, inputs], dense, -127..127; scales [outputs]; bias [outputs] or null for
  // zeros. All are copied.
  PanelLinear8(const int8_t* numbers, const float* scales, const float* bias, int64_t outputs,
               int64_t inputs);

  int64_t inputs() const { return inputs_; }
  int64_t outputs() const { return outputs_; }
  int64_t panels() const { return (outputs_ + kPanel - 1) / kPanel; }

  // As PanelLinear::multiply, of rows [begin, end) of x; y and add begin at row `begin`.
  void multiply(int64_t first, int64_t last, const Rows8& x, int64_t begin, int64_t end, float* y,
                int64_t y_stride, After after = After::kNothing, const float* add = nullptr,
                int64_t add_stride = 0) const;

  // The best that this processor has, and, for tests, what it is to do from here on.
  static Multiplies8 best();
  void use(Multiplies8 how) { how_ = how; }

 private:
  int64_t inputs_ = 0, outputs_ = 0, groups_ = 0;  // groups of four inputs
  AlignedArray<int8_t> panels_;
  std::vector<float> scale_, bias_;   // of whole panels
  std::vector<int32_t> weight_sums_;  // of each output's numbers, for the inputs' zero points
  Multiplies8 how_ = Multiplies8::kPlain;
};

}  // namespace espalier::kernels
