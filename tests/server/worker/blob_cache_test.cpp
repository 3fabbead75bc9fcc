#include "server/worker/blob_cache.h"

#include "core/base/hash.h"
#include "tests/server/worker/worker_fixture.h"

namespace espalier::server::testing_ {
namespace {

namespace fs = std::filesystem;

class BlobCacheTest : public testing::Test {
 protected:
  // Serves `content` in pieces of three bytes and counts the reads.
  BlobCache::Read reader(std::string content) {
    return [this, content](uint64_t offset) -> absl::StatusOr<std::string> {
      ++reads_;
      return offset >= content.size() ? "" : content.substr(offset, 3);
    };
  }
  absl::Status link(BlobCache& cache, const std::string& content, const std::string& name) {
    return cache.link(sha256_hex(content), content.size(), reader(content), path(name));
  }
  std::string path(const std::string& name) const { return folder_.path() + "/" + name; }
  std::string blobs() const {
    fs::create_directories(path("blobs"));
    return path("blobs");
  }
  bool has(const std::string& content) const {
    return fs::exists(blobs() + "/" + sha256_hex(content));
  }

  TemporaryFolder folder_;
  int reads_ = 0;
};

TEST_F(BlobCacheTest, ABlobIsReadOnceAndLinkedOften) {
  BlobCache cache(blobs(), 1000);
  ASSERT_TRUE(link(cache, "twelve bytes", "a").ok());
  int reads = reads_;
  ASSERT_TRUE(link(cache, "twelve bytes", "b").ok());
  EXPECT_EQ(reads_, reads);
  EXPECT_EQ(*read_file(path("b")), "twelve bytes");
  EXPECT_TRUE(link(cache, "", "empty").ok());
}

TEST_F(BlobCacheTest, WrongBytesAreNotKept) {
  BlobCache cache(blobs(), 1000);
  std::string hash = sha256_hex("right");
  EXPECT_TRUE(absl::IsDataLoss(cache.link(hash, 5, reader("wrong"), path("a"))));
  EXPECT_TRUE(absl::IsDataLoss(cache.link(hash, 5, reader("righ"), path("a"))));
  EXPECT_TRUE(absl::IsDataLoss(cache.link(hash, 5, reader("right and more"), path("a"))));
  EXPECT_TRUE(list_files(blobs())->empty());
  EXPECT_TRUE(cache.link(hash, 5, reader("right"), path("a")).ok());
}

TEST_F(BlobCacheTest, ABrokenReadLeavesNothing) {
  BlobCache cache(blobs(), 1000);
  const auto broken = [](uint64_t offset) -> absl::StatusOr<std::string> {
    if (offset == 0) return "begun";
    return absl::CancelledError("download abandoned");
  };
  EXPECT_TRUE(absl::IsCancelled(cache.link(sha256_hex("x"), 10, broken, path("a"))));
  EXPECT_TRUE(list_files(blobs())->empty());
}

TEST_F(BlobCacheTest, WhatIsBeingReadIsNotTrimmedMeanwhile) {
  BlobCache cache(blobs(), 0);
  const auto trimmed_meanwhile = [&](uint64_t offset) -> absl::StatusOr<std::string> {
    if (offset == 0) return "first";
    trim_folder(blobs(), 0);
    return offset == 5 ? "second" : "";
  };
  const std::string content = "firstsecond";
  EXPECT_TRUE(cache.link(sha256_hex(content), content.size(), trimmed_meanwhile, path("a")).ok());
  EXPECT_EQ(*read_file(path("a")), content);
}

TEST_F(BlobCacheTest, AHashThatIsNoneNamesNoFile) {
  BlobCache cache(blobs(), 1000);
  for (const char* hash : {"", "../../etc/passwd", "ABCDEF"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(cache.link(hash, 1, reader("x"), path("a")))) << hash;
  }
}

TEST_F(BlobCacheTest, TheLongestUnusedGoesFirstAndWhatAJobUsesStays) {
  BlobCache cache(blobs(), 10);
  ASSERT_TRUE(link(cache, "in use", "a").ok());  // its link lives
  ASSERT_TRUE(link(cache, "old", "b").ok());
  ASSERT_TRUE(fs::remove(path("b")));
  ASSERT_TRUE(link(cache, "new", "c").ok());
  EXPECT_TRUE(has("in use"));
  EXPECT_FALSE(has("old"));
  EXPECT_TRUE(has("new"));
}

TEST_F(BlobCacheTest, AnAdoptedFileNeedsNoRead) {
  BlobCache cache(blobs(), 1000);
  ASSERT_TRUE(write_file(path("own"), "mine").ok());
  ASSERT_TRUE(cache.adopt(path("own"), sha256_hex("mine")).ok());
  ASSERT_TRUE(fs::remove(path("own")));
  ASSERT_TRUE(link(cache, "mine", "a").ok());
  EXPECT_EQ(reads_, 0);
}

}  // namespace
}  // namespace espalier::server::testing_
