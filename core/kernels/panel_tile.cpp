#include "core/kernels/panel_tile.h"

#include "core/kernels/lanes.h"

namespace espalier::kernels {
namespace {

// x (1 + erf(x / sqrt 2)) / 2. erf(z) = z P(z^2) up to |z| = 3.9, and 1 but for 4e-8 beyond; P of
// degree 14, made for the least largest error (1e-7) in t = 2 (z / 3.9)^2 - 1, and halved here. No
// division and no exponential: of a product of integers they took a third of the time.
constexpr float kHalfErf[] = {
    7.980357119e-04F,  -2.021343418e-03F, 1.480484149e-03F,  -1.739750262e-03F, 6.124139398e-03F,
    -1.107592955e-02F, 1.498157508e-02F,  -2.089273248e-02F, 2.882197978e-02F,  -3.699866652e-02F,
    4.535451390e-02F,  -5.475788317e-02F, 6.734446246e-02F,  -9.050574650e-02F, 1.812919959e-01F};
constexpr float kErfEnd = 3.9F;

ESPALIER_INLINE Lanes gelu(Lanes x) {
  Lanes z = x * 0.70710678F;
  const IntLanes above = z > kErfEnd, below = z < -kErfEnd;
  z = above ? spread(kErfEnd) : below ? spread(-kErfEnd) : z;
  const Lanes t = z * z * (2 / (kErfEnd * kErfEnd)) - 1.0F;
  Lanes p = spread(kHalfErf[0]);
#pragma GCC unroll 14
  for (int i = 1; i < 15; ++i) p = p * t + kHalfErf[i];
  const Lanes share = z * p + 0.5F;
  return x * (above ? spread(1) : below ? Lanes{} : share);
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
