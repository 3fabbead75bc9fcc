#include "core/base/random.h"

#include <algorithm>
#include <set>

#include "gtest/gtest.h"

namespace espalier {
namespace {

TEST(Seeds, DifferWhereverTheirConsumersDiffer) {
  std::set<uint64_t> seeds;
  for (uint64_t seed : {1, 2}) {
    for (const char* phase : {"finetune", "prune"}) {
      for (int64_t step : {0, 1}) {
        for (int64_t micro : {0, 1}) {
          for (const char* purpose : {"dropout", "order"})
            seeds.insert(derive_seed(seed, phase, step, micro, purpose));
        }
      }
    }
  }
  EXPECT_EQ(seeds.size(), 32u);
  EXPECT_EQ(derive_seed(1, "a", 2, 3, "b"), derive_seed(1, "a", 2, 3, "b"));
  EXPECT_NE(derive_seed(1, "ab", 0, 0, "c"), derive_seed(1, "a", 0, 0, "bc"));
}

TEST(Random, IsSplitMix64) {
  Random random(1234567);  // the generator's published test vector
  EXPECT_EQ(random.next(), 6457827717110365317u);
  EXPECT_EQ(random.next(), 3203168211198807973u);
}

TEST(Random, StaysInItsBounds) {
  Random random(7);
  std::set<uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    seen.insert(random.below(5));
    const double u = random.uniform();
    EXPECT_TRUE(u >= 0 && u < 1);
  }
  EXPECT_EQ(seen, (std::set<uint64_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(random.below(1), 0u);
}

TEST(Permutation, HoldsEveryIndexOnce) {
  std::vector<int64_t> order = permutation(100, 3);
  EXPECT_EQ(order, permutation(100, 3));
  EXPECT_NE(order, permutation(100, 4));
  std::sort(order.begin(), order.end());
  for (int64_t i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
  EXPECT_TRUE(permutation(0, 1).empty());
}

}  // namespace
}  // namespace espalier
