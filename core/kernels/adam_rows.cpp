#include "core/kernels/adam_rows.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <cmath>

#include "core/kernels/lanes.h"

namespace espalier::kernels {
namespace {

void adam_row_plain(float* p, float* mean, float* size, const float* grad, int64_t begin,
                    int64_t end, const AdamStep& step) {
  for (int64_t c = begin; c < end; ++c) {
    const float g = grad == nullptr ? 0.0F : grad[c] / step.divisor;
    mean[c] += (g - mean[c]) * step.mean_share;
    size[c] = size[c] * step.size_keep + g * g * step.size_share;
    p[c] = p[c] * step.keep - step.rate * mean[c] / (std::sqrt(size[c]) / step.root + step.eps);
  }
}

#if defined(__x86_64__)
// How many numbers it did: whole vectors.
__attribute__((target("avx512f"))) int64_t adam_row_wide(float* p, float* mean, float* size,
                                                         const float* grad, int64_t width,
                                                         const AdamStep& step) {
  const __m512 keep = _mm512_set1_ps(step.keep), rate = _mm512_set1_ps(step.rate),
               mean_share = _mm512_set1_ps(step.mean_share),
               size_keep = _mm512_set1_ps(step.size_keep),
               size_share = _mm512_set1_ps(step.size_share), root = _mm512_set1_ps(step.root),
               eps = _mm512_set1_ps(step.eps), divisor = _mm512_set1_ps(step.divisor);
  int64_t c = 0;
  for (; c + 16 <= width; c += 16) {
    const __m512 g =
        grad == nullptr ? _mm512_setzero_ps() : _mm512_div_ps(_mm512_loadu_ps(grad + c), divisor);
    __m512 m = _mm512_loadu_ps(mean + c);
    m = _mm512_fmadd_ps(_mm512_sub_ps(g, m), mean_share, m);
    const __m512 v = _mm512_fmadd_ps(_mm512_mul_ps(g, g), size_share,
                                     _mm512_mul_ps(_mm512_loadu_ps(size + c), size_keep));
    const __m512 below = _mm512_add_ps(_mm512_div_ps(_mm512_maskz_sqrt_ps(0xFFFF, v), root), eps);
    const __m512 moved = _mm512_div_ps(_mm512_mul_ps(rate, m), below);
    _mm512_storeu_ps(mean + c, m);
    _mm512_storeu_ps(size + c, v);
    _mm512_storeu_ps(p + c, _mm512_fmsub_ps(_mm512_loadu_ps(p + c), keep, moved));
  }
  return c;
}
#endif

}  // namespace

ESPALIER_CLONES void scale_row(float* x, int64_t width, float factor) {
  int64_t c = 0;
  for (; c + kLanes <= width; c += kLanes) store(x + c, load(x + c) * factor);
  for (; c < width; ++c) x[c] *= factor;
}

bool adam_rows_are_fast() {
#if defined(__x86_64__)
  static const bool fast = __builtin_cpu_supports("avx512f") != 0;
  return fast;
#else
  return false;
#endif
}

void adam_row(float* p, float* mean, float* size, const float* grad, int64_t width,
              const AdamStep& step) {
  int64_t done = 0;
#if defined(__x86_64__)
  if (adam_rows_are_fast()) done = adam_row_wide(p, mean, size, grad, width, step);
#endif
  adam_row_plain(p, mean, size, grad, done, width, step);
}

}  // namespace espalier::kernels
