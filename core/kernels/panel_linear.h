// y = f(x W^T + b) in fp32, with W in the order in which the product reads it: panels of 48
// outputs, [outputs / 48][inputs][48]. A tile of up to 8 rows and 48 columns stays in registers
// over all inputs; while it is computed, the next panel is fetched into the cache, for a product of
// few rows is bound by reading the weight.
//
// No torch and no threads in here: a call is one thread's share, some panels and some rows.
#pragma once

#include <cstdint>
#include <vector>

#include "core/kernels/aligned_array.h"

namespace espalier::kernels {

enum class After { kNothing, kGelu, kGeluTanh, kRelu, kTanh };

class PanelLinear {
 public:
  static constexpr int64_t kPanel = 48;

  PanelLinear() = default;
  // weight [outputs, inputs], dense; bias [outputs] or null for zeros. Both are copied.
  PanelLinear(const float* weight, const float* bias, int64_t outputs, int64_t inputs);

  int64_t inputs() const { return inputs_; }
  int64_t outputs() const { return outputs_; }
  int64_t panels() const { return (outputs_ + kPanel - 1) / kPanel; }

  // Outputs of panels [first, last) of `rows` rows. x [rows, inputs] with x_stride between rows, y
  // [rows, outputs] with y_stride (column 0 is output 0, whatever `first`). `add` as y, or null:
  // is added behind f; y itself may be it.
  void multiply(int64_t first, int64_t last, const float* x, int64_t x_stride, int64_t rows,
                float* y, int64_t y_stride, After after = After::kNothing,
                const float* add = nullptr, int64_t add_stride = 0) const;

 private:
  int64_t inputs_ = 0, outputs_ = 0;
  AlignedFloats panels_;
  std::vector<float> bias_;  // of whole panels
};

// y = (x - mean) / sqrt(variance + eps) * weight + bias over the last axis: x and y [rows, width],
// dense; y may be x.
void layer_norm(const float* x, int64_t rows, int64_t width, const float* weight, const float* bias,
                double eps, float* y);

// y = a + b + c, [width] each; c may be null.
void add_rows(const float* a, const float* b, const float* c, int64_t width, float* y);

}  // namespace espalier::kernels
