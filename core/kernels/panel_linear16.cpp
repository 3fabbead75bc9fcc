#include "core/kernels/panel_linear16.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <cstring>

#include "core/kernels/lanes.h"
#include "core/kernels/panel_tile.h"

namespace espalier::kernels {
namespace {

constexpr int64_t kPanel16 = PanelLinear16::kPanel;
constexpr int64_t kPair = 2;
constexpr int64_t kPairNumbers = kPanel16 * kPair;  // of two inputs and all outputs of a panel
static_assert(kPairNumbers * sizeof(uint16_t) == kStepBytes);
// As in panel_linear.cpp: 8 x 3 sums and 3 vectors of weights fill the registers.
constexpr int64_t kTileRows16 = 8;

using HalfLanes = uint16_t __attribute__((vector_size(32)));

// To nearest, ties to even, by adding just under half of what is cut off, or half where the number
// that remains is odd. No number becomes the quiet one, whose bits would overflow.
ESPALIER_INLINE HalfLanes rounded(Lanes x) {
  WordLanes bits;
  std::memcpy(&bits, &x, sizeof bits);
  const WordLanes near = (bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16;
  return __builtin_convertvector(x == x ? near : WordLanes{} + 0x7fc0U, HalfLanes);
}

ESPALIER_CLONES void to_bf16(const float* x, int64_t count, uint16_t* out) {
  const int64_t whole = count / kLanes * kLanes;
  for (int64_t k = 0; k < whole; k += kLanes) {
    const HalfLanes numbers = rounded(load(x + k));
    std::memcpy(out + k, &numbers, sizeof numbers);
  }
  Lanes end = {};
  std::memcpy(&end, x + whole, static_cast<size_t>(count - whole) * sizeof(float));
  const HalfLanes numbers = rounded(end);
  std::memcpy(out + whole, &numbers, static_cast<size_t>(count - whole) * sizeof(uint16_t));
}

ESPALIER_INLINE float float_of(uint16_t number) {
  const uint32_t bits = uint32_t{number} << 16;
  float out;
  std::memcpy(&out, &bits, sizeof out);
  return out;
}

// Some rows of one panel: sums [rows][48].
struct Tile16 {
  const uint16_t* x;
  int64_t x_stride, pairs;
  const uint16_t* panel;
  const float* bias;
  float* sums;
  const char* ahead;  // fetched meanwhile, `lines` lines a step; null: nothing
  int64_t lines;
};

// The reference: what the instruction must come to, up to rounding.
ESPALIER_CLONES void multiply16_plain(const Tile16& tile, int64_t rows) {
  for (int64_t r = 0; r < rows; ++r) {
    float* sums = tile.sums + r * kPanel16;
    std::copy_n(tile.bias, kPanel16, sums);
    const uint16_t* x = tile.x + r * tile.x_stride;
    for (int64_t p = 0; p < tile.pairs; ++p, x += kPair) {
      const uint16_t* w = tile.panel + p * kPairNumbers;
      for (int64_t n = 0; n < kPanel16; ++n, w += kPair)
        sums[n] += float_of(x[0]) * float_of(w[0]) + float_of(x[1]) * float_of(w[1]);
    }
  }
}

#if defined(__x86_64__)
#define ESPALIER_BF16 __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16")))

ESPALIER_INLINE int32_t two_of(const uint16_t* x) {
  int32_t out;
  std::memcpy(&out, x, sizeof out);
  return out;
}

template <int R>
ESPALIER_BF16 inline void multiply16_tile(const Tile16& tile) {
  __m512 sums[R][3];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 3
    for (int v = 0; v < 3; ++v) sums[r][v] = _mm512_loadu_ps(tile.bias + v * kLanes);
  }
  const uint16_t *w = tile.panel, *x = tile.x;
  const char* ahead = tile.ahead;
  for (int64_t p = 0; p < tile.pairs; ++p, w += kPairNumbers, x += kPair) {
    const __m512i right[3] = {_mm512_loadu_si512(w), _mm512_loadu_si512(w + 32),
                              _mm512_loadu_si512(w + 64)};
    for (int64_t line = 0; line < tile.lines; ++line, ahead += 64) __builtin_prefetch(ahead, 0, 2);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const auto left = (__m512bh)_mm512_set1_epi32(two_of(x + r * tile.x_stride));
#pragma GCC unroll 3
      for (int v = 0; v < 3; ++v)
        sums[r][v] = _mm512_dpbf16_ps(sums[r][v], left, (__m512bh)right[v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 3
    for (int v = 0; v < 3; ++v) _mm512_storeu_ps(tile.sums + r * kPanel16 + v * kLanes, sums[r][v]);
  }
}

ESPALIER_BF16 void multiply16_fast(const Tile16& tile, int64_t rows) {
  switch (rows) {
    case 8:
      return multiply16_tile<8>(tile);
    case 7:
      return multiply16_tile<7>(tile);
    case 6:
      return multiply16_tile<6>(tile);
    case 5:
      return multiply16_tile<5>(tile);
    case 4:
      return multiply16_tile<4>(tile);
    case 3:
      return multiply16_tile<3>(tile);
    case 2:
      return multiply16_tile<2>(tile);
    default:
      return multiply16_tile<1>(tile);
  }
}

bool has_bf16() {
  return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl");
}
#else
void multiply16_fast(const Tile16& tile, int64_t rows) { multiply16_plain(tile, rows); }
bool has_bf16() { return false; }
#endif

}  // namespace

void Rows16::reset(int64_t rows, int64_t width) {
  constexpr int64_t kLine = 32;
  width_ = width;
  // An odd number of lines, so that neighbours begin in different sets of the first cache.
  stride_ = ((width + kLine - 1) / kLine | 1) * kLine;
  if (rows * stride_ <= room_) return;
  room_ = rows * stride_;
  numbers_ = AlignedArray<uint16_t>(room_);
}

void Rows16::round(const float* x, int64_t stride, int64_t first, int64_t last) {
  for (int64_t r = first; r < last; ++r) {
    uint16_t* to = numbers_.get() + r * stride_;
    to_bf16(x + r * stride, width_, to);
    if (width_ % kPair != 0) to[width_] = 0;
  }
}

bool PanelLinear16::is_fast() {
  static const bool fast = has_bf16();
  return fast;
}

PanelLinear16::PanelLinear16(const float* weight, const float* bias, int64_t outputs,
                             int64_t inputs)
    : inputs_(inputs),
      outputs_(outputs),
      pairs_((inputs + kPair - 1) / kPair),
      panels_(panels() * pairs_ * kPairNumbers),
      fast_(is_fast()) {
  std::fill_n(panels_.get(), panels() * pairs_ * kPairNumbers, uint16_t{0});
  bias_.assign(static_cast<size_t>(panels() * kPanel16), 0);
  if (bias != nullptr) std::copy_n(bias, outputs, bias_.begin());
  std::vector<uint16_t> row(static_cast<size_t>(inputs));
  for (int64_t n = 0; n < outputs; ++n) {
    to_bf16(weight + n * inputs, inputs, row.data());
    uint16_t* to = panels_.get() + n / kPanel16 * pairs_ * kPairNumbers + n % kPanel16 * kPair;
    for (int64_t k = 0; k < inputs; ++k)
      to[k / kPair * kPairNumbers + k % kPair] = row[static_cast<size_t>(k)];
  }
}

void PanelLinear16::multiply(int64_t first, int64_t last, const uint16_t* x, int64_t x_stride,
                             int64_t rows, float* y, int64_t y_stride, After after,
                             const float* add, int64_t add_stride) const {
  const Results results = {y, y_stride, outputs_, after, add, add_stride};
  alignas(64) float sums[kTileRows16 * kPanel16];
  for_each_tile({panels_.get(), pairs_, first, last, rows, kTileRows16}, [&](const TileRows& tile) {
    const Tile16 of = {x + tile.first * x_stride,
                       x_stride,
                       pairs_,
                       panels_.get() + tile.panel * pairs_ * kPairNumbers,
                       bias_.data() + tile.panel * kPanel16,
                       sums,
                       tile.ahead,
                       tile.lines};
    (fast_ ? multiply16_fast : multiply16_plain)(of, tile.count);
    results.take(tile, sums);
  });
}

}  // namespace espalier::kernels
