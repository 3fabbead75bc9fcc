#include "core/base/random.h"

#include <numeric>
#include <utility>

namespace espalier {
namespace {

uint64_t mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

uint64_t fold_text(uint64_t hash, std::string_view text) {
  for (unsigned char c : text) hash = mix(hash ^ c);
  return mix(hash ^ (text.size() << 8));
}

}  // namespace

uint64_t derive_seed(uint64_t seed, std::string_view phase, int64_t step, int64_t micro,
                     std::string_view purpose) {
  uint64_t hash = fold_text(mix(seed), phase);
  hash = mix(hash ^ static_cast<uint64_t>(step));
  hash = mix(hash ^ static_cast<uint64_t>(micro));
  return fold_text(hash, purpose);
}

uint64_t Random::next() {
  uint64_t out = mix(state_);
  state_ += 0x9E3779B97F4A7C15ULL;
  return out;
}

uint64_t Random::below(uint64_t bound) {
  // Rejection of the uneven tail keeps it exactly uniform.
  uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  uint64_t x = next();
  while (x >= limit) x = next();
  return x % bound;
}

std::vector<int64_t> permutation(int64_t n, uint64_t seed) {
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  Random random(seed);
  for (int64_t i = n - 1; i > 0; --i) {
    std::swap(order[i], order[random.below(static_cast<uint64_t>(i) + 1)]);
  }
  return order;
}

}  // namespace espalier
