#include "core/kernels/panel_linear8.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/kernels/lanes.h"
#include "core/kernels/panel_tile.h"

namespace espalier::kernels {
namespace {

constexpr int64_t kPanel8 = PanelLinear8::kPanel;
constexpr int64_t kGroup = 4;                      // inputs that one instruction adds up
constexpr int64_t kGroupBytes = kPanel8 * kGroup;  // of one group and all outputs of a panel
static_assert(kGroupBytes == kStepBytes);
// As in panel_linear.cpp: 8 x 3 sums fill AVX-512's registers, 4 x 2 those of AVX2.
constexpr int64_t kWideRows8 = 8, kNarrowRows8 = 4;

// Some rows of one panel: sums [rows][48] of the numbers' products.
struct Tile8 {
  const uint8_t* x;
  int64_t x_stride, groups;
  const int8_t* panel;
  int32_t* sums;
  const char* ahead;  // fetched meanwhile, `lines` lines a step; null: nothing
  int64_t lines;
};

// The reference: what the others must equal.
ESPALIER_CLONES void multiply8_plain(const Tile8& tile, int64_t rows) {
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
#define ESPALIER_AVX2 __attribute__((target("avx2")))
#define ESPALIER_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni")))

ESPALIER_INLINE int32_t four_of(const uint8_t* x) {
  int32_t out;
  std::memcpy(&out, x, sizeof out);
  return out;
}

// 16 outputs of R rows. Bytes 0 and 2 of a group, and then 1 and 3, go into two halves of 16 bits
// each, whose products vpmaddwd sums in 32: nothing saturates.
template <int R>
ESPALIER_AVX2 inline void multiply8_avx2_tile(const Tile8& tile, int64_t column) {
  const __m256i low_bytes = _mm256_set1_epi32(0x00FF00FF);
  __m256i sums[R][2];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) sums[r][0] = sums[r][1] = _mm256_setzero_si256();
  const int8_t* w = tile.panel + column * kGroup;
  const uint8_t* x = tile.x;
  for (int64_t g = 0; g < tile.groups; ++g, w += kGroupBytes, x += kGroup) {
    __m256i even[2], odd[2];
#pragma GCC unroll 2
    for (int v = 0; v < 2; ++v) {
      const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(w + v * 32));
      even[v] = _mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8);
      odd[v] = _mm256_srai_epi16(bytes, 8);
    }
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const __m256i four = _mm256_set1_epi32(four_of(x + r * tile.x_stride));
      const __m256i left_even = _mm256_and_si256(four, low_bytes),
                    left_odd = _mm256_srli_epi16(four, 8);
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) {
        const __m256i pairs = _mm256_add_epi32(_mm256_madd_epi16(left_even, even[v]),
                                               _mm256_madd_epi16(left_odd, odd[v]));
        sums[r][v] = _mm256_add_epi32(sums[r][v], pairs);
      }
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < 2; ++v) {
      int32_t* to = tile.sums + r * kPanel8 + column + v * 8;
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), sums[r][v]);
    }
  }
}

template <int R>
ESPALIER_AVX2 inline void multiply8_avx2_panel(const Tile8& tile) {
  for (int64_t column = 0; column < kPanel8; column += 16) multiply8_avx2_tile<R>(tile, column);
}

ESPALIER_AVX2 void multiply8_avx2(const Tile8& tile, int64_t rows) {
  switch (rows) {
    case 4:
      return multiply8_avx2_panel<4>(tile);
    case 3:
      return multiply8_avx2_panel<3>(tile);
    case 2:
      return multiply8_avx2_panel<2>(tile);
    default:
      return multiply8_avx2_panel<1>(tile);
  }
}

template <int R>
ESPALIER_VNNI inline void multiply8_vnni_tile(const Tile8& tile) {
  __m512i sums[R][3];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 3
    for (int v = 0; v < 3; ++v) sums[r][v] = _mm512_setzero_si512();
  }
  const int8_t* w = tile.panel;
  const uint8_t* x = tile.x;
  const char* ahead = tile.ahead;
  for (int64_t g = 0; g < tile.groups; ++g, w += kGroupBytes, x += kGroup) {
    const __m512i right[3] = {_mm512_loadu_si512(w), _mm512_loadu_si512(w + 64),
                              _mm512_loadu_si512(w + 128)};
    for (int64_t line = 0; line < tile.lines; ++line, ahead += 64) __builtin_prefetch(ahead, 0, 2);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const __m512i left = _mm512_set1_epi32(four_of(x + r * tile.x_stride));
#pragma GCC unroll 3
      for (int v = 0; v < 3; ++v) sums[r][v] = _mm512_dpbusd_epi32(sums[r][v], left, right[v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 3
    for (int v = 0; v < 3; ++v) _mm512_storeu_si512(tile.sums + r * kPanel8 + v * 16, sums[r][v]);
  }
}

ESPALIER_VNNI void multiply8_vnni(const Tile8& tile, int64_t rows) {
  switch (rows) {
    case 8:
      return multiply8_vnni_tile<8>(tile);
    case 7:
      return multiply8_vnni_tile<7>(tile);
    case 6:
      return multiply8_vnni_tile<6>(tile);
    case 5:
      return multiply8_vnni_tile<5>(tile);
    case 4:
      return multiply8_vnni_tile<4>(tile);
    case 3:
      return multiply8_vnni_tile<3>(tile);
    case 2:
      return multiply8_vnni_tile<2>(tile);
    default:
      return multiply8_vnni_tile<1>(tile);
  }
}

Multiplies8 best8() {
  if (__builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl")) {
    return Multiplies8::kVnni;
  }
  return __builtin_cpu_supports("avx2") ? Multiplies8::kAvx2 : Multiplies8::kPlain;
}
#else
void multiply8_vnni(const Tile8& tile, int64_t rows) { multiply8_plain(tile, rows); }
void multiply8_avx2(const Tile8& tile, int64_t rows) { multiply8_plain(tile, rows); }
Multiplies8 best8() { return Multiplies8::kPlain; }
#endif

void multiply8_rows(Multiplies8 how, const Tile8& tile, int64_t rows) {
  switch (how) {
    case Multiplies8::kVnni:
      return multiply8_vnni(tile, rows);
    case Multiplies8::kAvx2:
      return multiply8_avx2(tile, rows);
    case Multiplies8::kPlain:
      return multiply8_plain(tile, rows);
  }
}

// Exact sums of numbers -> fp32: what the row's zero point added is taken off first.
struct Back {
  const int32_t* sums;
  const int32_t* weight_sums;
  const float *weight_scale, *bias;
};
ESPALIER_CLONES void to_floats(const Back& back, int32_t zero, float scale, float* out) {
  for (int64_t n = 0; n < kPanel8; n += kLanes) {
    IntLanes sums, weight_sums;
    std::memcpy(&sums, back.sums + n, sizeof sums);
    std::memcpy(&weight_sums, back.weight_sums + n, sizeof weight_sums);
    const Lanes exact = __builtin_convertvector(sums - weight_sums * zero, Lanes);
    store(out + n, exact * (load(back.weight_scale + n) * scale) + load(back.bias + n));
  }
}

// The last numbers of a row, which are no whole vector, and zeros.
ESPALIER_INLINE Lanes load_end(const float* from, int64_t count) {
  Lanes out = {};
  std::memcpy(&out, from, static_cast<size_t>(count) * sizeof(float));
  return out;
}

// Of a row's numbers and 0; `high` is no number where one of them is none or infinite.
ESPALIER_CLONES void find_ends(const float* x, int64_t width, float& low, float& high) {
  const int64_t whole = width / kLanes * kLanes;
  const Lanes end = load_end(x + whole, width - whole);
  Lanes most = end, least = -end, poison = end - end;
  most = larger(most, Lanes{});
  least = larger(least, Lanes{});
  for (int64_t k = 0; k < whole; k += kLanes) {
    const Lanes value = load(x + k);
    most = larger(most, value);
    least = larger(least, -value);
    poison += value - value;
  }
  high = largest(most) + sum(poison);
  low = -largest(least);
}

using ByteLanes = uint8_t __attribute__((vector_size(16)));

// Rounds to nearest, ties to even, as adding 1.5 x 2^23 does.
ESPALIER_INLINE ByteLanes numbers_of(Lanes x, float inverse, int32_t zero) {
  constexpr float kMagic = 12582912.0F;
  Lanes scaled = x * inverse;
  // The product is rounded before the sum everywhere: where one instruction can do both, the
  // compiler would use it, and ties would fall another way than on processors that have none.
  asm("" : "+m"(scaled));
  IntLanes number = __builtin_convertvector((scaled + kMagic) - kMagic, IntLanes) + zero;
  number = number < 0 ? IntLanes{} : number;
  number = number > 255 ? IntLanes{} + 255 : number;
  return __builtin_convertvector(number, ByteLanes);
}

ESPALIER_CLONES void to_numbers(const float* x, int64_t width, float inverse, int32_t zero,
                                uint8_t* out) {
  const int64_t whole = width / kLanes * kLanes;
  for (int64_t k = 0; k < whole; k += kLanes) {
    const ByteLanes numbers = numbers_of(load(x + k), inverse, zero);
    std::memcpy(out + k, &numbers, sizeof numbers);
  }
  const ByteLanes numbers = numbers_of(load_end(x + whole, width - whole), inverse, zero);
  std::memcpy(out + whole, &numbers, static_cast<size_t>(width - whole));
}

}  // namespace

void Rows8::reset(int64_t rows, int64_t width) {
  width_ = width;
  stride_ = (width + kGroup - 1) / kGroup * kGroup;
  if (rows * stride_ > room_) {
    room_ = rows * stride_;
    numbers_ = AlignedArray<uint8_t>(room_);
  }
  scale_.resize(static_cast<size_t>(rows));
  zero_.resize(static_cast<size_t>(rows));
}

void Rows8::quantise(const float* x, int64_t stride, int64_t first, int64_t last) {
  for (int64_t r = first; r < last; ++r) {
    const float* from = x + r * stride;
    float low, high;
    find_ends(from, width_, low, high);
    const float step = (high - low) / 255.0F;
    uint8_t* to = numbers_.get() + r * stride_;
    float& scale = scale_[static_cast<size_t>(r)];
    int32_t& zero = zero_[static_cast<size_t>(r)];
    if (!std::isfinite(step)) {
      scale = std::numeric_limits<float>::quiet_NaN();
      zero = 0;
      std::fill_n(to, stride_, uint8_t{0});
      continue;
    }
    // Steps too small for their inverse to be a number: such a row is one of zeros.
    scale = step > 1e-37F ? step : 1.0F;
    zero = static_cast<int32_t>(std::lround(-low / scale));
    to_numbers(from, width_, 1 / scale, zero, to);
    std::fill(to + width_, to + stride_, uint8_t{0});
  }
}

Multiplies8 PanelLinear8::best() {
  static const Multiplies8 best = best8();
  return best;
}

PanelLinear8::PanelLinear8(const int8_t* numbers, const float* scales, const float* bias,
                           int64_t outputs, int64_t inputs)
    : inputs_(inputs),
      outputs_(outputs),
      groups_((inputs + kGroup - 1) / kGroup),
      panels_(panels() * groups_ * kGroupBytes),
      how_(best()) {
  const auto columns = static_cast<size_t>(panels() * kPanel8);
  std::fill_n(panels_.get(), panels() * groups_ * kGroupBytes, int8_t{0});
  scale_.assign(columns, 0);
  bias_.assign(columns, 0);
  weight_sums_.assign(columns, 0);
  std::copy_n(scales, outputs, scale_.begin());
  if (bias != nullptr) std::copy_n(bias, outputs, bias_.begin());
  for (int64_t n = 0; n < outputs; ++n) {
    int8_t* to = panels_.get() + n / kPanel8 * groups_ * kGroupBytes + n % kPanel8 * kGroup;
    int32_t sum = 0;
    for (int64_t k = 0; k < inputs; ++k) {
      const int8_t number = numbers[n * inputs + k];
      to[k / kGroup * kGroupBytes + k % kGroup] = number;
      sum += number;
    }
    weight_sums_[static_cast<size_t>(n)] = sum;
  }
}

void PanelLinear8::multiply(int64_t first, int64_t last, const Rows8& x, int64_t begin, int64_t end,
                            float* y, int64_t y_stride, After after, const float* add,
                            int64_t add_stride) const {
  const Results results = {y, y_stride, outputs_, after, add, add_stride};
  alignas(64) int32_t exact[kWideRows8 * kPanel8];
  alignas(64) float sums[kWideRows8 * kPanel8];
  const int64_t most = how_ == Multiplies8::kVnni ? kWideRows8 : kNarrowRows8;
  for_each_tile(
      {panels_.get(), groups_, first, last, end - begin, most}, [&](const TileRows& tile) {
        const int64_t row = begin + tile.first, column = tile.panel * kPanel8;
        multiply8_rows(
            how_,
            {x.row(row), x.stride(), groups_, panels_.get() + tile.panel * groups_ * kGroupBytes,
             exact, tile.ahead, tile.lines},
            tile.count);
        Back line = {exact, weight_sums_.data() + column, scale_.data() + column,
                     bias_.data() + column};
        for (int64_t r = 0; r < tile.count; ++r, line.sums += kPanel8)
          to_floats(line, x.zero(row + r), x.scale(row + r), sums + r * kPanel8);
        results.take(tile, sums);
      });
}

}  // namespace espalier::kernels
