#include "core/base/large_array.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <numeric>
#include <string>
#include <vector>

#include "core/base/guard.h"

namespace espalier {
namespace {

TEST(LargeLists, GivesBackWhatWasAdded) {
  LargeLists<int32_t> lists;
  const std::vector<int32_t> first = {1, 2, 3}, last = {4};
  lists.add(first);
  lists.add({});
  lists.add(last);
  ASSERT_EQ(lists.size(), 3);
  EXPECT_EQ(std::vector<int32_t>(lists[0].begin(), lists[0].end()), first);
  EXPECT_TRUE(lists[1].empty());
  EXPECT_EQ(std::vector<int32_t>(lists[2].begin(), lists[2].end()), last);
  EXPECT_EQ(lists.length(0), 3);
  EXPECT_EQ(lists.length(2), 1);
}

TEST(LargeArray, GoesToDiskOnceItIsLargeAndStaysTheSame) {
  LargeArray<uint64_t> array;
  std::vector<uint64_t> piece(100'000);
  uint64_t next = 0;
  while (array.size() < int64_t{12'000'000}) {  // 96 MB: grows there twice
    std::iota(piece.begin(), piece.end(), next);
    next += piece.size();
    array.add(std::span<const uint64_t>(piece));
  }
  EXPECT_TRUE(array.on_disk());
  int64_t wrong = 0;
  for (int64_t i = 0; i < array.size(); ++i) wrong += array[i] != static_cast<uint64_t>(i) ? 1 : 0;
  EXPECT_EQ(wrong, 0);
}

TEST(LargeArray, SmallOnesNeedNoDisk) {
  LargeArray<int32_t> array;
  for (int32_t i = 0; i < 1000; ++i) array.add(i);
  EXPECT_FALSE(array.on_disk());
}

TEST(LargeArray, HoldsItsOwnerUntilItIsAppendedTo) {
  auto owner = std::make_shared<std::vector<int32_t>>(std::vector<int32_t>{1, 2});
  const std::weak_ptr<std::vector<int32_t>> watch = owner;
  LargeArray<int32_t> array(*owner, owner);
  owner.reset();
  ASSERT_FALSE(watch.expired());
  array.add(3);
  EXPECT_EQ(array[0] + array[1] + array[2], 6);
  EXPECT_TRUE(watch.expired());
}

TEST(LargeArray, CopiesAreTheirOwn) {
  LargeArray<int32_t> first;
  first.add(1);
  LargeArray<int32_t> second = first;
  second.add(2);
  EXPECT_EQ(first.size(), 1);
  EXPECT_EQ(second.size(), 2);
}

TEST(LargeArray, SaysWhereTheDiskHasNoRoom) {
  const char* before = std::getenv("TMPDIR");
  const std::string kept = before == nullptr ? "" : before;
  ::setenv("TMPDIR", "/proc", 1);  // a folder that takes no files
  LargeArray<std::byte> array;
  const absl::Status status = guard("filling", [&] {
    const std::vector<std::byte> piece(LargeBytes::kInMemory / 2 + 1);
    for (int i = 0; i < 2; ++i) array.add(std::span<const std::byte>(piece));
  });
  before == nullptr ? ::unsetenv("TMPDIR") : ::setenv("TMPDIR", kept.c_str(), 1);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_NE(status.message().find("TMPDIR"), std::string::npos) << status;
}

}  // namespace
}  // namespace espalier
