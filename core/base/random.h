// Seeds. There is no hidden random state: every consumer derives its own seed from where it stands,
// so a resumed job draws what the undisturbed one would have drawn.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace espalier {

// A seed from (seed, phase, step, micro, purpose); any change of one gives an unrelated value.
uint64_t derive_seed(uint64_t seed, std::string_view phase, int64_t step, int64_t micro,
                     std::string_view purpose);

// SplitMix64: small, fast, equal on every platform (std:: distributions are not).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next();
  // Uniform in [0, bound), bound > 0.
  uint64_t below(uint64_t bound);
  // Uniform in [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

 private:
  uint64_t state_;
};

// Fisher-Yates permutation of 0..n-1.
std::vector<int64_t> permutation(int64_t n, uint64_t seed);

}  // namespace espalier
