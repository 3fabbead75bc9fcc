#include "core/kernels/panel_tile.h"

#include "core/kernels/lanes.h"

namespace espalier::kernels {
namespace {

// x (1 + erf(x / sqrt 2)) / 2, erf by Abramowitz and Stegun 7.1.26: errs by 1.5e-7 at most.
ESPALIER_INLINE Lanes gelu(Lanes x) {
  const Lanes z = (x < 0 ? -x : x) * 0.70710678F;
  const Lanes t = 1.0F / (z * 0.3275911F + 1.0F);
  Lanes p = t * 1.061405429F - 1.453152027F;
  p = p * t + 1.421413741F;
  p = p * t - 0.284496736F;
  p = p * t + 0.254829592F;
  const Lanes tail = p * t * exponential(-z * z);  // 1 - erf(z)
  return x * 0.5F * (x < 0 ? tail : 2.0F - tail);
}

// tanh by one exponential, of a number that is not positive: no overflow.
ESPALIER_INLINE Lanes hyperbolic_tangent(Lanes x) {
  const Lanes e = exponential((x < 0 ? x : -x) * 2.0F);
  const Lanes away = (1.0F - e) / (1.0F + e);
  return (x < 0 ? -away : away) + (x == x ? Lanes{} : x);  // no number stays none
}

ESPALIER_INLINE Lanes gelu_tanh(Lanes x) {
  return x * 0.5F * (hyperbolic_tangent((x * x * x * 0.044715F + x) * 0.7978845608F) + 1.0F);
}

ESPALIER_INLINE Lanes relu(Lanes x) { return x < 0 ? Lanes{} : x; }

ESPALIER_CLONES void apply(After after, float* values, int64_t count) {
  switch (after) {
    case After::kNothing:
      return;
    case After::kGelu:
      for (int64_t i = 0; i < count; i += kLanes) store(values + i, gelu(load(values + i)));
      return;
    case After::kGeluTanh:
      for (int64_t i = 0; i < count; i += kLanes) store(values + i, gelu_tanh(load(values + i)));
      return;
    case After::kRelu:
      for (int64_t i = 0; i < count; i += kLanes) store(values + i, relu(load(values + i)));
      return;
    case After::kTanh:
      for (int64_t i = 0; i < count; i += kLanes)
        store(values + i, hyperbolic_tangent(load(values + i)));
      return;
  }
}

// From the sums of a tile to y.
ESPALIER_CLONES void write_tile(const float* sums, int64_t rows, int64_t columns, const float* add,
                                int64_t add_stride, float* y, int64_t y_stride) {
  for (int64_t r = 0; r < rows; ++r, sums += PanelLinear::kPanel, y += y_stride) {
    int64_t c = 0;
    if (add == nullptr) {
      for (; c + kLanes <= columns; c += kLanes) store(y + c, load(sums + c));
      for (; c < columns; ++c) y[c] = sums[c];
    } else {
      for (; c + kLanes <= columns; c += kLanes) store(y + c, load(sums + c) + load(add + c));
      for (; c < columns; ++c) y[c] = sums[c] + add[c];
      add += add_stride;
    }
  }
}

}  // namespace

void finish_tile(const TileSums& sums, After after, const float* add, int64_t add_stride, float* y,
                 int64_t y_stride) {
  apply(after, sums.values, sums.rows * PanelLinear::kPanel);
  write_tile(sums.values, sums.rows, sums.columns, add, add_stride, y, y_stride);
}

}  // namespace espalier::kernels
