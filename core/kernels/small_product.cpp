#include "core/kernels/small_product.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>

#include "core/kernels/lanes.h"

namespace espalier::kernels {
namespace {

// Some rows of some columns of C; `wide` is the distance between rows of B and of C.
struct Patch {
  int64_t depth;
  Strided a;
  const float* b;
  float* c;
  int64_t wide;
};

// R rows, V vectors of columns.
template <int R, int V>
ESPALIER_INLINE void multiply_patch(const Patch& p) {
  Lanes sums[R][V] = {};
  for (int64_t k = 0; k < p.depth; ++k) {
    Lanes right[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) right[v] = load(p.b + k * p.wide + v * kLanes);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const Lanes left = spread(p.a.data[r * p.a.row + k * p.a.column]);
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sums[r][v] += left * right[v];
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) store(p.c + r * p.wide + v * kLanes, sums[r][v]);
  }
}

// The same columns from row i on.
Patch at_row(const Patch& p, int64_t i) {
  return {p.depth, {p.a.data + i * p.a.row, p.a.row, p.a.column}, p.b, p.c + i * p.wide, p.wide};
}

template <int V>
ESPALIER_INLINE void multiply_narrow_columns(const Patch& p, int64_t rows) {
  int64_t i = 0;
  for (; i + 4 <= rows; i += 4) multiply_patch<4, V>(at_row(p, i));
  for (; i < rows; ++i) multiply_patch<1, V>(at_row(p, i));
}

ESPALIER_CLONES void multiply_columns(const Patch& p, int64_t rows, int vectors) {
  vectors == 2 ? multiply_narrow_columns<2>(p, rows) : multiply_narrow_columns<1>(p, rows);
}

#if defined(__x86_64__)
#define ESPALIER_AVX512 __attribute__((target("avx512f")))

// In the processor's own words, as in panel_linear.cpp: spread() takes the units that multiply,
// where this is a load, and 8 rows instead of 4 load B half as often.
template <int R, int V>
ESPALIER_AVX512 inline void multiply_wide_patch(const Patch& p) {
  __m512 sums[R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) sums[r][v] = _mm512_setzero_ps();
  }
  const float *left = p.a.data, *b = p.b;
  for (int64_t k = 0; k < p.depth; ++k, left += p.a.column, b += p.wide) {
    __m512 right[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) right[v] = _mm512_loadu_ps(b + v * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const __m512 one = _mm512_set1_ps(left[r * p.a.row]);
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) sums[r][v] = _mm512_fmadd_ps(one, right[v], sums[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) _mm512_storeu_ps(p.c + r * p.wide + v * kLanes, sums[r][v]);
  }
}

template <int V>
ESPALIER_AVX512 void multiply_wide_columns(const Patch& p, int64_t rows) {
  int64_t i = 0;
  for (; i + 8 <= rows; i += 8) multiply_wide_patch<8, V>(at_row(p, i));
  for (; i + 4 <= rows; i += 4) multiply_wide_patch<4, V>(at_row(p, i));
  for (; i < rows; ++i) multiply_wide_patch<1, V>(at_row(p, i));
}

void multiply_wide(const Patch& p, int64_t rows, int vectors) {
  vectors == 2 ? multiply_wide_columns<2>(p, rows) : multiply_wide_columns<1>(p, rows);
}

bool has_avx512() {
  static const bool has = __builtin_cpu_supports("avx512f") != 0;
  return has;
}
#else
void multiply_wide(const Patch&, int64_t, int) {}
bool has_avx512() { return false; }
#endif

}  // namespace

void multiply_small(int64_t rows, int64_t columns, int64_t depth, const Strided& a, const float* b,
                    float* c) {
  const auto run = has_avx512() ? multiply_wide : multiply_columns;
  for (int64_t j = 0; j < columns; j += 2 * kLanes)
    run({depth, a, b + j, c + j, columns}, rows, columns - j >= 2 * kLanes ? 2 : 1);
}

}  // namespace espalier::kernels
