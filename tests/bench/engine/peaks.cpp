#include "tests/bench/engine/peaks.h"

#include <unistd.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <barrier>
#include <chrono>
#include <functional>
#include <thread>
#include <vector>

#include "core/kernels/aligned_array.h"
#include "core/kernels/lanes.h"
#include "core/kernels/panel_linear16.h"
#include "core/kernels/panel_linear8.h"

namespace espalier::bench {
namespace {

using kernels::kLanes;
using kernels::Lanes;
using Instant = std::chrono::steady_clock::time_point;

constexpr int kTries = 9;
constexpr double kSecondsOfTry = 0.03;
constexpr int kSums = 16;  // more than two units of a latency of 4 or 5 keep busy

// Does `turns` of something and says how many operations that were.
using Loop = double (*)(int64_t turns);

double seconds_between(Instant begin, Instant end) {
  return std::chrono::duration<double>(end - begin).count();
}

// What `work` is worth a second, done by all threads at the same time. work(thread) -> units.
double rate_once(int threads, const std::function<double(int)>& work) {
  const auto count = static_cast<size_t>(threads);
  std::vector<double> units(count);
  std::vector<Instant> begin(count), end(count);
  std::barrier ready(threads);
  {
    std::vector<std::jthread> all;
    for (size_t i = 0; i < count; ++i) {
      all.emplace_back([&, i] {
        ready.arrive_and_wait();
        begin[i] = std::chrono::steady_clock::now();
        units[i] = work(static_cast<int>(i));
        end[i] = std::chrono::steady_clock::now();
      });
    }
  }
  double total = 0;
  for (const double one : units) total += one;
  return total / seconds_between(*std::min_element(begin.begin(), begin.end()),
                                 *std::max_element(end.begin(), end.end()));
}

double median_rate(int threads, const std::function<double(int)>& work) {
  std::vector<double> rates;
  for (int i = 0; i < kTries; ++i) rates.push_back(rate_once(threads, work));
  std::nth_element(rates.begin(), rates.begin() + kTries / 2, rates.end());
  return rates[kTries / 2];
}

Peak peak_of(int threads, Loop loop, const std::string& how) {
  const auto begin = std::chrono::steady_clock::now();
  constexpr int64_t kFew = 1 << 18;
  loop(kFew);
  const double took = seconds_between(begin, std::chrono::steady_clock::now());
  const auto turns = static_cast<int64_t>(kFew * kSecondsOfTry / took) + 1;
  const auto work = [&](int) { return loop(turns); };
  return {median_rate(threads, work), median_rate(1, work), how};
}

// The numbers stay near 1, and each sum begins elsewhere, or they would all be one.
constexpr float kFactor = 0.999F, kMore = 0.001F;

// In the vectors of the compiler, whatever they become: for processors that are not named below.
double loop_plain(int64_t turns) {
  Lanes sums[kSums];
  for (int i = 0; i < kSums; ++i) sums[i] = kernels::spread(static_cast<float>(i));
  for (int64_t turn = 0; turn < turns; ++turn) {
#pragma GCC unroll 16
    for (int i = 0; i < kSums; ++i) sums[i] = sums[i] * kFactor + kMore;
  }
  float total = 0;
  for (const Lanes& one : sums) total += kernels::sum(one);
  asm volatile("" : : "m"(total));
  return 2.0 * kLanes * kSums * static_cast<double>(turns);
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) double loop_avx512(int64_t turns) {
  const __m512 factor = _mm512_set1_ps(kFactor), more = _mm512_set1_ps(kMore);
  __m512 sums[kSums];
#pragma GCC unroll 16
  for (int i = 0; i < kSums; ++i) sums[i] = _mm512_set1_ps(static_cast<float>(i));
  for (int64_t turn = 0; turn < turns; ++turn) {
#pragma GCC unroll 16
    for (int i = 0; i < kSums; ++i) sums[i] = _mm512_fmadd_ps(sums[i], factor, more);
  }
#pragma GCC unroll 16
  for (int i = 0; i < kSums; ++i) asm volatile("" : : "v"(sums[i]));
  return 2.0 * 16 * kSums * static_cast<double>(turns);
}

__attribute__((target("avx512f,avx512bf16"))) double loop_bf16(int64_t turns) {
  const auto left = (__m512bh)_mm512_set1_epi32(0x3F803F80),
             right = (__m512bh)_mm512_setzero_si512();
  __m512 sums[kSums];
#pragma GCC unroll 16
  for (int i = 0; i < kSums; ++i) sums[i] = _mm512_set1_ps(static_cast<float>(i));
  for (int64_t turn = 0; turn < turns; ++turn) {
#pragma GCC unroll 16
    for (int i = 0; i < kSums; ++i) sums[i] = _mm512_dpbf16_ps(sums[i], left, right);
  }
#pragma GCC unroll 16
  for (int i = 0; i < kSums; ++i) asm volatile("" : : "v"(sums[i]));
  return 2.0 * 32 * kSums * static_cast<double>(turns);
}

constexpr int kNarrowSums = 12;  // of 16 registers

__attribute__((target("avx2,fma"))) double loop_avx2(int64_t turns) {
  const __m256 factor = _mm256_set1_ps(kFactor), more = _mm256_set1_ps(kMore);
  __m256 sums[kNarrowSums];
#pragma GCC unroll 12
  for (int i = 0; i < kNarrowSums; ++i) sums[i] = _mm256_set1_ps(static_cast<float>(i));
  for (int64_t turn = 0; turn < turns; ++turn) {
#pragma GCC unroll 12
    for (int i = 0; i < kNarrowSums; ++i) sums[i] = _mm256_fmadd_ps(sums[i], factor, more);
  }
#pragma GCC unroll 12
  for (int i = 0; i < kNarrowSums; ++i) asm volatile("" : : "x"(sums[i]));
  return 2.0 * 8 * kNarrowSums * static_cast<double>(turns);
}

__attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni"))) double loop_vnni(int64_t turns) {
  const __m512i left = _mm512_set1_epi32(0x01020304), right = _mm512_set1_epi32(0x7F807F80);
  __m512i sums[kSums];
#pragma GCC unroll 16
  for (int i = 0; i < kSums; ++i) sums[i] = _mm512_set1_epi32(i);
  for (int64_t turn = 0; turn < turns; ++turn) {
#pragma GCC unroll 16
    for (int i = 0; i < kSums; ++i) sums[i] = _mm512_dpbusd_epi32(sums[i], left, right);
  }
#pragma GCC unroll 16
  for (int i = 0; i < kSums; ++i) asm volatile("" : : "v"(sums[i]));
  return 2.0 * 64 * kSums * static_cast<double>(turns);
}

// Two products of 16 bits an instruction and a lane, and one more to add them up.
__attribute__((target("avx2"))) double loop8_avx2(int64_t turns) {
  __m256i left = _mm256_set1_epi16(3);
  const __m256i right = _mm256_set1_epi16(-5);
  __m256i sums[kNarrowSums];
#pragma GCC unroll 12
  for (int i = 0; i < kNarrowSums; ++i) sums[i] = _mm256_set1_epi32(i);
  for (int64_t turn = 0; turn < turns; ++turn) {
#pragma GCC unroll 12
    for (int i = 0; i < kNarrowSums; ++i) {
      asm volatile("" : "+x"(left));  // or the product would be made once
      sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(left, right));
    }
  }
#pragma GCC unroll 12
  for (int i = 0; i < kNarrowSums; ++i) asm volatile("" : : "x"(sums[i]));
  return 2.0 * 16 * kNarrowSums * static_cast<double>(turns);
}
#endif

ESPALIER_CLONES float sum_of(const float* x, int64_t count) {
  constexpr int64_t kStep = 8 * kLanes;
  Lanes sums[8] = {};
  for (int64_t i = 0; i < count; i += kStep) {
#pragma GCC unroll 8
    for (int64_t j = 0; j < 8; ++j) sums[j] += kernels::load(x + i + j * kLanes);
  }
  float total = 0;
  for (const Lanes& one : sums) total += kernels::sum(one);
  return total;
}

}  // namespace

Peak multiply_add_peak(int threads) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return peak_of(threads, loop_avx512, "AVX-512");
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    return peak_of(threads, loop_avx2, "AVX2");
#endif
  return peak_of(threads, loop_plain, "the compiler's vectors");
}

Peak multiply_add16_peak(int threads) {
#if defined(__x86_64__)
  if (kernels::PanelLinear16::is_fast()) return peak_of(threads, loop_bf16, "AVX512_BF16");
#endif
  return {0, 0, "none"};
}

Peak multiply_add8_peak(int threads) {
#if defined(__x86_64__)
  switch (kernels::PanelLinear8::best()) {
    case kernels::Multiplies8::kVnni:
      return peak_of(threads, loop_vnni, "AVX512-VNNI");
    case kernels::Multiplies8::kAvx2:
      return peak_of(threads, loop8_avx2, "AVX2, 16 bits");
    case kernels::Multiplies8::kPlain:
      break;
  }
#endif
  return {0, 0, "none"};
}

Peak read_peak(int threads, int64_t bytes) {
  constexpr int64_t kStep = 8 * kLanes;
  const int64_t each = std::max<int64_t>(1, bytes / 4 / threads / kStep) * kStep;
  kernels::AlignedFloats array(each * threads);
  std::fill_n(array.get(), each * threads, 1.0F);
  // What is small is read often enough for a clock.
  const int64_t times = std::max<int64_t>(1, (int64_t{1} << 28) / (each * 4 * threads));
  const auto reader = [&](int64_t count) {
    return [&, count](int thread) {
      float total = 0;
      for (int64_t i = 0; i < times; ++i) total += sum_of(array.get() + thread * count, count);
      asm volatile("" : : "m"(total));
      return 4.0 * static_cast<double>(count * times);
    };
  };
  return {median_rate(threads, reader(each)), median_rate(1, reader(each * threads)), "reads"};
}

int64_t beyond_caches() {
  const int64_t third = sysconf(_SC_LEVEL3_CACHE_SIZE);  // 0 or -1: not known
  return std::clamp<int64_t>(8 * third, int64_t{256} << 20, int64_t{1} << 30);
}

}  // namespace espalier::bench
