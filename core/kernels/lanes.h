// Sixteen floats at a time, spelled with the compiler's vector types, so that one text becomes
// AVX-512, AVX2 or plain code: a function marked ESPALIER_CLONES is compiled for each and chosen
// when the program starts. Everything here is inlined into such functions.
#pragma once

#include <cstdint>
#include <cstring>

// Vectors wider than the machine's registers are split, and never cross an interface.
#pragma GCC diagnostic ignored "-Wpsabi"

#if defined(__x86_64__) && !defined(__clang__)
// By feature: "arch=..." asks for the processor's model, which newer ones are not.
#define ESPALIER_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define ESPALIER_CLONES
#endif
#define ESPALIER_INLINE static inline __attribute__((always_inline))

namespace espalier::kernels {

constexpr int64_t kLanes = 16;
using Lanes = float __attribute__((vector_size(64)));
using IntLanes = int32_t __attribute__((vector_size(64)));
using WordLanes = uint32_t __attribute__((vector_size(64)));

// Smallest multiple of kLanes that holds n.
constexpr int64_t whole_lanes(int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

ESPALIER_INLINE Lanes load(const float* from) {
  Lanes out;
  std::memcpy(&out, from, sizeof(out));
  return out;
}
ESPALIER_INLINE void store(float* to, Lanes value) { std::memcpy(to, &value, sizeof(value)); }
ESPALIER_INLINE Lanes spread(float value) { return Lanes{} + value; }
ESPALIER_INLINE Lanes larger(Lanes a, Lanes b) { return a > b ? a : b; }

ESPALIER_INLINE float sum(Lanes x) {
  float out = 0;
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) out += x[i];
  return out;
}
ESPALIER_INLINE float largest(Lanes x) {
  float out = x[0];
#pragma GCC unroll 16
  for (int i = 1; i < kLanes; ++i) out = x[i] > out ? x[i] : out;
  return out;
}

// e^x for x up to 88; about 2 units in the last place, 0 below -87. x = n ln 2 + r with |r| at most
// ln(2)/2, the polynomial of Cephes' expf in r, and 2^n put into the exponent's bits.
ESPALIER_INLINE Lanes exponential(Lanes x) {
  constexpr float kMagic = 12582912.0F;  // 1.5 x 2^23: adding it rounds to a whole number
  const IntLanes gone = x < -87.0F;
  x = larger(x, spread(-87.0F));
  const Lanes n = (x * 1.44269504F + kMagic) - kMagic;
  const Lanes r = (x - n * 0.693359375F) - n * -2.12194440e-4F;
  Lanes p = r * 1.9875691500e-4F + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1.0F;
  const IntLanes exponent = (__builtin_convertvector(n, IntLanes) + 127) << 23;
  Lanes power;
  std::memcpy(&power, &exponent, sizeof(power));
  return gone ? Lanes{} : p * power;
}

// A keyed hash of 32-bit indices: two rounds of multiply and xor-shift with the constants of
// Wellons' "lowbias32", whose bias is under 0.2 in 1000; the key's other half enters between them.
ESPALIER_INLINE WordLanes mix(WordLanes x, uint32_t late) {
  x ^= x >> 16;
  x *= 0x7feb352dU;
  x ^= (x >> 15) ^ late;
  x *= 0x846ca68bU;
  return x ^ (x >> 16);
}

// Which of sixteen neighbouring elements survive dropout: element `index` of a stream that `key`
// names; `threshold` is p x 2^32. The index's high half joins the key, so that more than 2^32
// elements repeat nothing.
struct DropKey {
  uint64_t key = 0;
  uint32_t threshold = 0;  // 0: nothing is dropped
  float scale = 1;         // 1 / (1 - p)
};
inline DropKey drop_key(uint64_t key, double p) {
  return {key, static_cast<uint32_t>(p * 4294967296.0), static_cast<float>(1 / (1 - p))};
}
ESPALIER_INLINE Lanes survivors(const DropKey& drop, uint64_t index) {
  constexpr WordLanes kCount = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const uint32_t first = static_cast<uint32_t>(drop.key) + static_cast<uint32_t>(index);
  const uint32_t late = static_cast<uint32_t>(drop.key >> 32) ^ static_cast<uint32_t>(index >> 32);
  return mix(kCount + first, late) >= drop.threshold ? spread(drop.scale) : Lanes{};
}

}  // namespace espalier::kernels
