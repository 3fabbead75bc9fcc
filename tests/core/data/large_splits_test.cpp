#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

#include "core/data/splits_file.h"
#include "tests/core/spec/scratch.h"
#include "tests/testing/memory.h"

namespace espalier {
namespace {

constexpr int64_t kRows = 160'000, kTokens = 120, kMostBytes = int64_t{64} << 20;

int64_t anonymous_bytes() { return testing::bytes_of("RssAnon"); }

// Row i is of the words i, i + 1, ...
Features row_of_words(int64_t i) {
  Features out;
  out.input.ids.resize(kTokens);
  std::iota(out.input.ids.begin(), out.input.ids.end(), static_cast<int32_t>(i));
  out.input.types.assign(kTokens, static_cast<int32_t>(i % 2));
  out.target = {static_cast<float>(i % 3)};
  return out;
}

int64_t wrong_rows(const Examples& examples) {
  int64_t out = 0;
  for (int64_t i = 0; i < examples.size(); i += 101) {
    const Features right = row_of_words(i);
    const Input read = examples.input(i).copy();
    const bool good = read.ids == right.input.ids && read.types == right.input.types &&
                      examples.targets[i][0] == right.target[0];
    out += good ? 0 : 1;
  }
  return out;
}

// 154 MB of them: made, written, and read from the file.
TEST(LargeSplits, LieOnDiskAndNotInMemory) {
#ifdef ESPALIER_SANITIZED
  GTEST_SKIP() << "not under a sanitizer, which keeps memory of its own";
#endif
  const testing::Scratch folder;
  const std::string path = folder.path() + "/splits";
  const int64_t before = anonymous_bytes();
  {
    Splits made;
    for (int64_t i = 0; i < kRows; ++i) made.train.add({}, {row_of_words(i)});
    EXPECT_LT(anonymous_bytes() - before, kMostBytes);
    ASSERT_TRUE(write_splits(path, made).ok());
  }
  const auto read = read_splits(path);
  ASSERT_TRUE(read.ok()) << read.status();
  std::filesystem::remove(path);  // the cache may do so at any time
  ASSERT_EQ(read->train.size(), kRows);
  EXPECT_EQ(wrong_rows(read->train), 0);
  EXPECT_LT(anonymous_bytes() - before, kMostBytes);
}

}  // namespace
}  // namespace espalier
