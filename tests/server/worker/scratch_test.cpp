#include "server/worker/scratch.h"

#include "tests/server/worker/worker_fixture.h"

namespace espalier::server::testing_ {
namespace {

TEST(Scratch, OneWorkerAFolder) {
  TemporaryFolder folder;
  auto first = Scratch::open(folder.path());
  ASSERT_TRUE(first.ok()) << first.status();
  auto second = Scratch::open(folder.path());
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status()));
  EXPECT_THAT(std::string(second.status().message()), testing::HasSubstr("--scratch"));
}

TEST(Scratch, TheNextWorkerHasTheSameIdAndNoOldJobs) {
  TemporaryFolder folder;
  std::string id;
  {
    auto scratch = Scratch::open(folder.path());
    id = (*scratch)->worker_id();
    ASSERT_TRUE(write_file((*scratch)->jobs() + "/left-over", "x").ok());
    ASSERT_TRUE(write_file((*scratch)->blobs() + "/kept", "x").ok());
  }
  auto scratch = Scratch::open(folder.path());
  ASSERT_TRUE(scratch.ok());
  EXPECT_EQ((*scratch)->worker_id(), id);
  EXPECT_TRUE(list_files((*scratch)->jobs())->empty());
  EXPECT_EQ(list_files((*scratch)->blobs())->size(), 1u);
}

TEST(Scratch, AFolderFromAnotherHostGetsANewId) {
  TemporaryFolder folder;
  ASSERT_TRUE(write_file(folder.path() + "/worker-id", "other-host-0011aabb").ok());
  EXPECT_NE((*Scratch::open(folder.path()))->worker_id(), "other-host-0011aabb");
}

}  // namespace
}  // namespace espalier::server::testing_
