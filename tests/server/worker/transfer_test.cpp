#include "server/worker/transfer.h"

#include "core/base/hash.h"
#include "tests/server/worker/worker_fixture.h"

namespace espalier::server::testing_ {
namespace {

class TransferTest : public testing::Test {
 protected:
  TransferTest() {
    wire::LeaseToken token;
    token.set_job("projects/p/jobs/a");
    lease_ = std::make_unique<HeldLease>(client_, token, stop_, HeldLease::Options{});
  }
  void write(const std::string& name, const std::string& content) {
    ASSERT_TRUE(write_file(folder_.path() + "/" + name, content).ok());
  }

  TemporaryFolder folder_;
  FakeControl control_;
  ControlClient client_{{.address = control_.address()}};
  StopFlag stop_;
  std::unique_ptr<HeldLease> lease_;
  const std::string large_ = std::string(5'000'003, 'x');
};

TEST_F(TransferTest, AFolderArrivesWithItsPathsSizesAndHashes) {
  std::filesystem::create_directories(folder_.path() + "/sub");
  write("sub/empty", "");
  write("large", large_);
  auto files = upload_folder(*lease_, folder_.path());
  ASSERT_TRUE(files.ok()) << files.status();
  ASSERT_EQ(files->size(), 2u);
  EXPECT_EQ((*files)[0].path(), "large");
  EXPECT_EQ((*files)[0].size(), large_.size());
  EXPECT_EQ((*files)[1].path(), "sub/empty");
  EXPECT_EQ(control_.blobs.at((*files)[0].sha256()), large_);
  EXPECT_EQ(control_.blobs.count(sha256_hex("")), 1u);
}

TEST_F(TransferTest, WhatTheStoreHasIsNotSentAgain) {
  control_.put("elsewhere", large_);
  write("large", large_);
  ASSERT_TRUE(upload_folder(*lease_, folder_.path()).ok());
  EXPECT_EQ(control_.bytes_written, 0u);
}

TEST_F(TransferTest, ABrokenUploadGoesOnWhereItStopped) {
  control_.staged[sha256_hex(large_)] = large_.substr(0, 4'000'000);
  write("large", large_);
  ASSERT_TRUE(upload_folder(*lease_, folder_.path()).ok());
  EXPECT_EQ(control_.bytes_written, large_.size() - 4'000'000);
  EXPECT_EQ(control_.blobs.at(sha256_hex(large_)), large_);
}

TEST_F(TransferTest, AnAbandonedUploadEnds) {
  write("large", large_);
  auto files = upload_folder(*lease_, folder_.path(), [] { return true; });
  EXPECT_TRUE(absl::IsCancelled(files.status()));
  EXPECT_TRUE(control_.blobs.empty());
}

TEST_F(TransferTest, ABlobIsReadPieceByPiece) {
  auto file = control_.put("a", "more than seven bytes");
  auto read = blob_reader(*lease_, file.sha256());
  EXPECT_EQ(*read(0), "more th");
  EXPECT_EQ(*read(7), "an seve");
  EXPECT_EQ(*read(21), "");
}

}  // namespace
}  // namespace espalier::server::testing_
