#include "core/train/memory_peak.h"

#include <gtest/gtest.h>

#include "tests/testing/memory.h"

namespace espalier {
namespace {

std::vector<Batch> batches_of(std::vector<int64_t> tokens) {
  std::vector<Batch> out;
  for (const int64_t count : tokens) out.emplace_back().lengths = {count};
  return out;
}

TEST(MemoryPeak, OnlyALargerMicroBatchThanEverGivesMemoryBack) {
  MemoryPeak peak;
  EXPECT_TRUE(peak.before(batches_of({20, 10})));
  EXPECT_FALSE(peak.before(batches_of({20})));
  EXPECT_FALSE(peak.before(batches_of({15, 15})));  // more tokens, but in smaller pieces
  EXPECT_TRUE(peak.before(batches_of({5, 21})));
}

TEST(MemoryPeak, WhatIsFreeBetweenTensorsThatStayGoesBack) {
#ifdef ESPALIER_SANITIZED
  GTEST_SKIP() << "a sanitizer's allocator keeps what is free";
#endif
  std::vector<Tensor> staying, leaving;
  // 64 KB each, by turns: of one size, or those that stay could all lie in what other tests left.
  for (int i = 0; i < 1000; ++i) {
    leaving.push_back(at::ones({1 << 14}));
    staying.push_back(at::ones({1 << 14}));
  }
  leaving.clear();
  const int64_t before = testing::bytes_of("RssAnon");
  MemoryPeak peak;
  peak.before(batches_of({1}));
  EXPECT_LT(testing::bytes_of("RssAnon"), before - (int64_t{32} << 20));
}

}  // namespace
}  // namespace espalier
