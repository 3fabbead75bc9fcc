#include "core/kernels/panel_linear.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <cmath>

#include "core/kernels/lanes.h"
#include "core/kernels/panel_tile.h"

namespace espalier::kernels {
namespace {

constexpr int64_t kPanel = PanelLinear::kPanel;
// 8 x 3 sums and 3 vectors of weights fill AVX-512's registers; AVX2's, of which a vector takes
// two, hold 4 x 1 and 1.
constexpr int64_t kWideRows = 8, kNarrowRows = 4;

// Some rows of one panel. What is behind f and the sum goes through `sums`, [rows][48] in the first
// cache, so that there is one place for panels that are not full.
struct Tile {
  const float* x;
  int64_t x_stride, depth;
  const float *panel, *bias;
  float* sums;
  const char* ahead;  // fetched meanwhile, `lines` lines a step; null: nothing
  int64_t lines;
};

template <int R>
ESPALIER_INLINE void multiply_narrow_tile(const Tile& tile, int64_t column) {
  Lanes sums[R];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) sums[r] = load(tile.bias + column);
  const float* panel = tile.panel + column;
  for (int64_t k = 0; k < tile.depth; ++k, panel += kPanel) {
    const Lanes right = load(panel);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) sums[r] += spread(tile.x[r * tile.x_stride + k]) * right;
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) store(tile.sums + r * kPanel + column, sums[r]);
}

template <int R>
ESPALIER_INLINE void multiply_narrow(const Tile& tile) {
  for (int64_t column = 0; column < kPanel; column += kLanes) multiply_narrow_tile<R>(tile, column);
}

#if defined(__x86_64__)
#define ESPALIER_WIDE __attribute__((target("avx512f")))

// In the processor's own words: what the compiler makes of spread() takes the units that multiply,
// where this is a load.
template <int R>
ESPALIER_WIDE inline void multiply_wide_tile(const Tile& tile) {
  __m512 sums[R][3];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 3
    for (int v = 0; v < 3; ++v) sums[r][v] = _mm512_loadu_ps(tile.bias + v * kLanes);
  }
  const float *panel = tile.panel, *x = tile.x;
  const char* ahead = tile.ahead;
  for (int64_t k = 0; k < tile.depth; ++k, panel += kPanel, ++x) {
    const __m512 right[3] = {_mm512_loadu_ps(panel), _mm512_loadu_ps(panel + 16),
                             _mm512_loadu_ps(panel + 32)};
    for (int64_t line = 0; line < tile.lines; ++line, ahead += 64) __builtin_prefetch(ahead, 0, 2);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const __m512 left = _mm512_set1_ps(x[r * tile.x_stride]);
#pragma GCC unroll 3
      for (int v = 0; v < 3; ++v) sums[r][v] = _mm512_fmadd_ps(left, right[v], sums[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 3
    for (int v = 0; v < 3; ++v) _mm512_storeu_ps(tile.sums + r * kPanel + v * kLanes, sums[r][v]);
  }
}

ESPALIER_WIDE void multiply_wide_rows(const Tile& tile, int64_t rows) {
  switch (rows) {
    case 8:
      return multiply_wide_tile<8>(tile);
    case 7:
      return multiply_wide_tile<7>(tile);
    case 6:
      return multiply_wide_tile<6>(tile);
    case 5:
      return multiply_wide_tile<5>(tile);
    case 4:
      return multiply_wide_tile<4>(tile);
    case 3:
      return multiply_wide_tile<3>(tile);
    case 2:
      return multiply_wide_tile<2>(tile);
    default:
      return multiply_wide_tile<1>(tile);
  }
}

bool is_wide() {
  static const bool wide = __builtin_cpu_supports("avx512f") != 0;
  return wide;
}
#else
void multiply_wide_rows(const Tile&, int64_t) {}
bool is_wide() { return false; }
#endif

ESPALIER_CLONES void multiply_narrow_rows(const Tile& tile, int64_t rows) {
  switch (rows) {
    case 4:
      return multiply_narrow<4>(tile);
    case 3:
      return multiply_narrow<3>(tile);
    case 2:
      return multiply_narrow<2>(tile);
    default:
      return multiply_narrow<1>(tile);
  }
}

}  // namespace

PanelLinear::PanelLinear(const float* weight, const float* bias, int64_t outputs, int64_t inputs)
    : inputs_(inputs), outputs_(outputs), panels_(panels() * inputs * kPanel) {
  bias_.assign(static_cast<size_t>(panels() * kPanel), 0);
  if (bias != nullptr) std::copy_n(bias, outputs, bias_.begin());
  float* to = panels_.get();
  for (int64_t panel = 0; panel < panels(); ++panel) {
    for (int64_t k = 0; k < inputs; ++k) {
      for (int64_t n = panel * kPanel; n < (panel + 1) * kPanel; ++n)
        *to++ = n < outputs ? weight[n * inputs + k] : 0;
    }
  }
}

void PanelLinear::multiply(int64_t first, int64_t last, const float* x, int64_t x_stride,
                           int64_t rows, float* y, int64_t y_stride, After after, const float* add,
                           int64_t add_stride) const {
  const bool wide = is_wide();
  const Results results = {y, y_stride, outputs_, after, add, add_stride};
  alignas(64) float sums[kWideRows * kPanel];
  for_each_tile({panels_.get(), inputs_, first, last, rows, wide ? kWideRows : kNarrowRows},
                [&](const TileRows& tile) {
                  const Tile of = {x + tile.first * x_stride,
                                   x_stride,
                                   inputs_,
                                   panels_.get() + tile.panel * inputs_ * kPanel,
                                   bias_.data() + tile.panel * kPanel,
                                   sums,
                                   tile.ahead,
                                   tile.lines};
                  (wide ? multiply_wide_rows : multiply_narrow_rows)(of, tile.count);
                  results.take(tile, sums);
                });
}

ESPALIER_CLONES void add_rows(const float* a, const float* b, const float* c, int64_t width,
                              float* y) {
  int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    const Lanes sum = load(a + i) + load(b + i);
    store(y + i, c == nullptr ? sum : sum + load(c + i));
  }
  for (; i < width; ++i) y[i] = a[i] + b[i] + (c == nullptr ? 0.0F : c[i]);
}

ESPALIER_CLONES void layer_norm(const float* x, int64_t rows, int64_t width, const float* weight,
                                const float* bias, double eps, float* y) {
  const int64_t whole = width / kLanes * kLanes;
  const float share = 1.0F / static_cast<float>(width);
  for (int64_t r = 0; r < rows; ++r, x += width, y += width) {
    Lanes total = {};
    for (int64_t c = 0; c < whole; c += kLanes) total += load(x + c);
    float mean = sum(total);
    for (int64_t c = whole; c < width; ++c) mean += x[c];
    mean *= share;
    Lanes squares = {};
    for (int64_t c = 0; c < whole; c += kLanes) {
      const Lanes away = load(x + c) - mean;
      squares += away * away;
    }
    float variance = sum(squares);
    for (int64_t c = whole; c < width; ++c) variance += (x[c] - mean) * (x[c] - mean);
    const float scale = 1.0F / std::sqrt(variance * share + static_cast<float>(eps));
    for (int64_t c = 0; c < whole; c += kLanes)
      store(y + c, (load(x + c) - mean) * scale * load(weight + c) + load(bias + c));
    for (int64_t c = whole; c < width; ++c) y[c] = (x[c] - mean) * scale * weight[c] + bias[c];
  }
}

}  // namespace espalier::kernels
