#include "core/kernels/panel_linear8.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/kernels/lanes.h"
#include "core/kernels/panel_tile.h"

namespace espalier::kernels {
namespace {

constexpr int64_t kPanel8 = PanelLinear8::kPanel;
constexpr int64_t kGroup = 4;  // inputs that one instruction adds up
constexpr int64_t kGroupBytes = kPanel8 * kGroup;
constexpr int64_t kTileRows8 = 8;

// Some rows of one panel: sums [rows][48] of the numbers' products.
struct Tile8 {
  const uint8_t* x;
  int64_t x_stride, groups;
  const int8_t* panel;
  int32_t* sums;
};

ESPALIER_CLONES void multiply_plain(const Tile8& tile, int64_t rows) {
  for (int64_t r = 0; r < rows; ++r) {
    int32_t* sums = tile.sums + r * kPanel8;
    std::fill_n(sums, kPanel8, 0);
    const uint8_t* x = tile.x + r * tile.x_stride;
    for (int64_t g = 0; g < tile.groups; ++g, x += kGroup) {
      const int8_t* w = tile.panel + g * kGroupBytes;
      for (int64_t n = 0; n < kPanel8; ++n, w += kGroup)
        sums[n] += x[0] * w[0] + x[1] * w[1] + x[2] * w[2] + x[3] * w[3];
    }
  }
}

#if defined(__x86_64__)
#define ESPALIER_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))

template <int R>
ESPALIER_VNNI inline void multiply_vnni_tile(const Tile8& tile, const char* ahead) {
  __m512i sums[R][3];
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < 3; ++v) sums[r][v] = _mm512_setzero_si512();
  const int8_t* w = tile.panel;
  const uint8_t* x = tile.x;
  for (int64_t g = 0; g < tile.groups; ++g, w += kGroupBytes, x += kGroup) {
    const __m512i right[3] = {_mm512_loadu_si512(w), _mm512_loadu_si512(w + 64),
                              _mm512_loadu_si512(w + 128)};
    if (ahead != nullptr) {
      __builtin_prefetch(ahead, 0, 2);
      __builtin_prefetch(ahead + 64, 0, 2);
      __builtin_prefetch(ahead + 128, 0, 2);
      ahead += kGroupBytes;
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      int32_t four;
      std::memcpy(&four, x + r * tile.x_stride, sizeof four);
      const __m512i left = _mm512_set1_epi32(four);
#pragma GCC unroll 3
      for (int v = 0; v < 3; ++v) sums[r][v] = _mm512_dpbusd_epi32(sums[r][v], left, right[v]);
    }
  }
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < 3; ++v) _mm512_storeu_si512(tile.sums + r * kPanel8 + v * 16, sums[r][v]);
}

ESPALIER_VNNI void multiply_vnni(const Tile8& tile, int64_t rows, const char* ahead) {
  switch (rows) {
    case 8:
      return multiply_vnni_tile<8>(tile, ahead);
    case 7:
      return multiply_vnni_tile<7>(tile, ahead);
    case 6:
      return multiply_vnni_tile<6>(tile, ahead);
    case 5:
      return multiply_vnni_tile<5>(tile, ahead);
    case 4:
      return multiply_vnni_tile<4>(tile, ahead);
    case 3:
      return multiply_vnni_tile<3>(tile, ahead);
    case 2:
      return multiply_vnni_tile<2>(tile, ahead);
    default:
      return multiply_vnni_tile<1>(tile, ahead);
  }
}

bool has_vnni() {
  static const bool has = __builtin_cpu_supports("avx512vnni") &&
                          __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  return has;
}
#endif

void multiply_tile8(const Tile8& tile, int64_t rows, const char* ahead) {
#if defined(__x86_64__)
  if (has_vnni()) return multiply_vnni(tile, rows, ahead);
#endif
  multiply_plain(tile, rows);
}

// Exact sums of numbers -> fp32: what the row's zero point added is taken off first.
struct Back {
  const int32_t* sums;
  const int32_t* weight_sums;
  const float *weight_scale, *bias;
};
ESPALIER_CLONES void to_floats(const Back& back, int32_t zero, float scale, float* out) {
  for (int64_t n = 0; n < kPanel8; ++n) {
    out[n] = static_cast<float>(back.sums[n] - zero * back.weight_sums[n]) *
                 (scale * back.weight_scale[n]) +
             back.bias[n];
  }
}

ESPALIER_CLONES void find_ends(const float* x, int64_t width, float& low, float& high) {
  const int64_t whole = width / kLanes * kLanes;
  Lanes least = {}, most = {};
  for (int64_t k = 0; k < whole; k += kLanes) {
    const Lanes value = load(x + k);
    least = value < least ? value : least;
    most = larger(most, value);
  }
  high = largest(most);
  low = -largest(-least);
  for (int64_t k = whole; k < width; ++k) {
    low = std::min(low, x[k]);
    high = std::max(high, x[k]);
  }
}

// Rounds to nearest, ties to even, as adding 1.5 x 2^23 does.
ESPALIER_CLONES void to_numbers(const float* x, int64_t width, float inverse, int32_t zero,
                                uint8_t* out) {
  constexpr float kMagic = 12582912.0F;
  for (int64_t k = 0; k < width; ++k) {
    const float rounded = (x[k] * inverse + kMagic) - kMagic;
    const auto number = static_cast<int32_t>(rounded) + zero;
    out[k] = static_cast<uint8_t>(std::min(255, std::max(0, number)));
  }
}

}  // namespace

void Rows8::quantise(const float* x, int64_t stride, int64_t rows, int64_t width) {
  stride_ = (width + kGroup - 1) / kGroup * kGroup;
  numbers_.resize(static_cast<size_t>(rows * stride_));
  scale_.resize(static_cast<size_t>(rows));
  zero_.resize(static_cast<size_t>(rows));
  for (int64_t r = 0; r < rows; ++r) {
    const float* from = x + r * stride;
    float low, high;
    find_ends(from, width, low, high);
    const float step = (high - low) / 255.0F;
    const float scale = step > 0 ? step : 1.0F;
    const auto zero = static_cast<int32_t>(std::lround(-low / scale));
    scale_[static_cast<size_t>(r)] = scale;
    zero_[static_cast<size_t>(r)] = zero;
    uint8_t* to = numbers_.data() + r * stride_;
    to_numbers(from, width, 1 / scale, zero, to);
    std::fill(to + width, to + stride_, uint8_t{0});
  }
}

PanelLinear8::PanelLinear8(const float* weight, const float* bias, int64_t outputs, int64_t inputs)
    : inputs_(inputs), outputs_(outputs), groups_((inputs + kGroup - 1) / kGroup) {
  const auto columns = static_cast<size_t>(panels() * kPanel8);
  panels_.assign(columns * static_cast<size_t>(groups_ * kGroup), 0);
  scale_.assign(columns, 0);
  bias_.assign(columns, 0);
  sums_.assign(columns, 0);
  if (bias != nullptr) std::copy_n(bias, outputs, bias_.begin());
  for (int64_t n = 0; n < outputs; ++n) {
    const float* row = weight + n * inputs;
    float most = 0;
    for (int64_t k = 0; k < inputs; ++k) most = std::max(most, std::abs(row[k]));
    const float scale = most > 0 ? most / 127.0F : 1.0F;
    scale_[static_cast<size_t>(n)] = scale;
    int8_t* to = panels_.data() + n / kPanel8 * groups_ * kGroupBytes + n % kPanel8 * kGroup;
    int32_t sum = 0;
    for (int64_t k = 0; k < inputs; ++k) {
      const auto number = static_cast<int32_t>(std::lrint(row[k] / scale));
      to[k / kGroup * kGroupBytes + k % kGroup] = static_cast<int8_t>(number);
      sum += number;
    }
    sums_[static_cast<size_t>(n)] = sum;
  }
}

void PanelLinear8::multiply(int64_t first, int64_t last, const Rows8& x, int64_t begin, int64_t end,
                            float* y, int64_t y_stride, After after, const float* add,
                            int64_t add_stride) const {
  const int64_t rows = end - begin, tiles = (rows + kTileRows8 - 1) / kTileRows8;
  alignas(64) int32_t numbers[kTileRows8 * kPanel8];
  alignas(64) float sums[kTileRows8 * kPanel8];
  for (int64_t panel = first; panel < last; ++panel) {
    const int8_t* weight = panels_.data() + panel * groups_ * kGroupBytes;
    const int64_t column = panel * kPanel8, columns = std::min(kPanel8, outputs_ - column);
    const char* next =
        panel + 1 < last ? reinterpret_cast<const char*>(weight + groups_ * kGroupBytes) : nullptr;
    const Back back = {numbers, sums_.data() + column, scale_.data() + column,
                       bias_.data() + column};
    for (int64_t t = 0, from = 0; t < tiles; ++t) {
      const int64_t to = rows * (t + 1) / tiles, count = to - from;
      multiply_tile8({x.row(begin + from), x.stride(), groups_, weight, numbers}, count,
                     t == 0 ? next : nullptr);
      Back line = back;
      for (int64_t r = 0; r < count; ++r, line.sums += kPanel8) {
        to_floats(line, x.zero(begin + from + r), x.scale(begin + from + r), sums + r * kPanel8);
      }
      finish_tile({sums, count, columns}, after,
                  add == nullptr ? nullptr : add + from * add_stride + column, add_stride,
                  y + from * y_stride + column, y_stride);
      from = to;
    }
  }
}

}  // namespace espalier::kernels
