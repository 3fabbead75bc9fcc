#include "server/worker/verify.h"

#include "core/base/hash.h"
#include "tests/server/worker/worker_fixture.h"

namespace espalier::server::testing_ {
namespace {

using ::testing::HasSubstr;

class VerifyTest : public testing::Test {
 protected:
  VerifyTest() {
    std::filesystem::create_directories(artifact_);
    write("config.json", "{}");
    espalier::v1::File file;
    file.set_path("config.json");
    file.set_sha256(sha256_hex("{}"));
    EXPECT_TRUE(write_manifest(artifact_, {file}).ok());
  }
  void write(const std::string& name, const std::string& content) {
    ASSERT_TRUE(write_file(artifact_ + "/" + name, content).ok());
  }

  TemporaryFolder folder_;
  std::string artifact_ = folder_.path() + "/0";
};

TEST_F(VerifyTest, FilesAsUploadedAreFine) { EXPECT_TRUE(check_manifest(artifact_).ok()); }

TEST_F(VerifyTest, AChangedFileIsFound) {
  write("config.json", "{ }");
  EXPECT_TRUE(absl::IsDataLoss(check_manifest(artifact_)));
}

TEST_F(VerifyTest, AFileThatWasNotUploadedIsFound) {
  write("extra", "x");
  EXPECT_THAT(std::string(check_manifest(artifact_).message()), HasSubstr("extra"));
}

TEST(RunChild, ItsExitCodeAndLastLineAreTheAnswer) {
  EXPECT_TRUE(run_child({"/bin/sh", "-c", "exit 0"}).ok());
  auto status = run_child({"/bin/sh", "-c", "echo first; echo logits differ; exit 3"});
  EXPECT_THAT(std::string(status.message()), HasSubstr("exit code 3: logits differ"));
  EXPECT_FALSE(run_child({"/no/such/program"}).ok());
}

TEST(RunChild, AnAbandonedOneIsKilled) {
  EXPECT_TRUE(absl::IsCancelled(run_child({"/bin/sleep", "60"}, [] { return true; })));
}

}  // namespace
}  // namespace espalier::server::testing_
