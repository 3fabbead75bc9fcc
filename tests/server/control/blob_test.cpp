#include <prometheus/counter.h>

#include "core/base/hash.h"
#include "server/control/blob_keeper.h"
#include "server/control/local_blob_store.h"
#include "tests/server/control/store_fixture.h"

namespace espalier::server {
namespace {

using testing::HasSubstr;

const std::string kText = "hello, espalier";

class Uploads : public StoreTest {
 protected:
  Uploads()
      : blobs(*LocalBlobStore::open(folder.path())), keeper(*store, *blobs, clock, uploaded) {}

  UploadRow start(const std::string& content, const std::string& sha256 = "") {
    Resource resource{ResourceKind::kModel, {"default", "m"}};
    resource.files = {{"f", content.size(), sha256.empty() ? sha256_hex(content) : sha256, ""}};
    resource = store->create_resource(resource, {}).value();
    return store->upload({"default", resource.files[0].upload}).value();
  }
  absl::StatusOr<uint64_t> send(const UploadRow& upload, uint64_t offset, const std::string& data) {
    return keeper.write(upload, {offset, data, crc32c(data)});
  }

  prometheus::Counter uploaded;
  std::unique_ptr<BlobStore> blobs;
  BlobKeeper keeper;
};

TEST_F(Uploads, ChunksAddUpToTheBlob) {
  const UploadRow upload = start(kText);
  EXPECT_EQ(*send(upload, 0, kText.substr(0, 5)), 5u);
  EXPECT_EQ(*send(upload, 5, kText.substr(5)), kText.size());
  EXPECT_TRUE(keeper.finalize(upload)->has_value());
  EXPECT_EQ(*keeper.read("default", upload.sha256, 7, 100), kText.substr(7));
  EXPECT_EQ(*keeper.read("default", upload.sha256, 100, 100), "");
  EXPECT_EQ(uploaded.Value(), kText.size());
}

TEST_F(Uploads, AGapSaysWhereToGoOn) {
  const UploadRow upload = start(kText);
  send(upload, 0, "hello").value();
  const absl::Status gap = send(upload, 9, "x").status();
  EXPECT_EQ(gap.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(gap.message()), HasSubstr("go on at offset 5"));
  EXPECT_EQ(*keeper.committed(upload), 5u);
}

TEST_F(Uploads, AChunkMayComeTwiceOrOverlap) {
  const UploadRow upload = start(kText);
  EXPECT_EQ(*send(upload, 0, "hello"), 5u);
  EXPECT_EQ(*send(upload, 0, "hello"), 5u);
  EXPECT_EQ(*send(upload, 3, kText.substr(3)), kText.size());
  EXPECT_TRUE(keeper.finalize(upload).ok());
}

TEST_F(Uploads, AnUploadGoesOnAfterARestart) {
  const UploadRow upload = start(kText);
  send(upload, 0, "hello").value();
  open();
  BlobKeeper fresh(*store, *blobs, clock, uploaded);
  const UploadRow found = store->upload(upload.key).value();
  EXPECT_EQ(*fresh.committed(found), 5u);
  const std::string rest = kText.substr(5);
  EXPECT_TRUE(fresh.write(found, {5, rest, crc32c(rest)}).ok());
  EXPECT_TRUE(fresh.finalize(found).ok());
}

TEST_F(Uploads, AWrongCrcIsDataLossAndChangesNothing) {
  const UploadRow upload = start(kText);
  const absl::Status wrong = keeper.write(upload, {0, kText, 1}).status();
  EXPECT_EQ(wrong.code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(*keeper.committed(upload), 0u);
}

TEST_F(Uploads, AWrongHashIsDataLossAndTheUploadStartsAnew) {
  const UploadRow upload = start(kText, std::string(64, 'a'));
  send(upload, 0, kText).value();
  EXPECT_EQ(keeper.finalize(upload).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(*keeper.committed(upload), 0u);
}

TEST_F(Uploads, FinalizeBeforeTheEndSaysWhatIsMissing) {
  const UploadRow upload = start(kText);
  send(upload, 0, "hello").value();
  EXPECT_EQ(reason(keeper.finalize(upload).status()), "INCOMPLETE");
}

TEST_F(Uploads, MoreThanAnnouncedIsRefused) {
  const UploadRow upload = start(kText);
  EXPECT_EQ(send(upload, 0, kText + "!").status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(send(upload, UINT64_MAX, "x").status().code(), absl::StatusCode::kOutOfRange);
}

TEST_F(Uploads, WhatNobodyGoesOnWithIsDroppedAfterAWeek) {
  const UploadRow upload = start(kText);
  send(upload, 0, "hello").value();
  ASSERT_TRUE(keeper.collect().ok());
  EXPECT_EQ(*keeper.committed(upload), 5u);
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(folder.path() + "/staged")) {
    if (!entry.is_regular_file()) continue;
    std::filesystem::last_write_time(entry, entry.last_write_time() - std::chrono::hours(8 * 24));
  }
  ASSERT_TRUE(keeper.collect().ok());
  EXPECT_EQ(*keeper.committed(upload), 0u);
}

TEST_F(Uploads, AnEmptyFileNeedsNoChunk) {
  const UploadRow upload = start("");
  EXPECT_TRUE(keeper.finalize(upload)->has_value());
  EXPECT_EQ(*keeper.read("default", upload.sha256, 0, 10), "");
}

TEST_F(Uploads, FinalizeTwiceIsFine) {
  const UploadRow upload = start(kText);
  send(upload, 0, kText).value();
  ASSERT_TRUE(keeper.finalize(upload).ok());
  EXPECT_TRUE(keeper.finalize(upload).ok());
}

TEST_F(Uploads, ABlobOfAWorkerIsKeptWhenItIsWholeAndCollectedADayAfterItsLastUse) {
  const StoredFile blob{"", kText.size(), sha256_hex(kText), ""};
  const LeaseHold hold{{"default", "j"}, 1, "w"};
  const std::string first = kText.substr(0, 5), rest = kText.substr(5);
  EXPECT_EQ(*keeper.write_for(hold, blob, {0, first, crc32c(first)}), 5u);
  EXPECT_EQ(*keeper.collect(), 0);
  EXPECT_EQ(*keeper.write_for(hold, blob, {5, rest, crc32c(rest)}), kText.size());
  EXPECT_EQ(*keeper.write_for(hold, blob, {0, first, crc32c(first)}), kText.size())
      << "known already";
  EXPECT_EQ(*keeper.collect(), 0);
  clock.advance(25LL * 60 * 60 * 1000);
  EXPECT_EQ(*keeper.collect(), 1);
  EXPECT_EQ(keeper.read("default", blob.sha256, 0, 1).status().code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace espalier::server
