#include "server/common/temporary_folder.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

namespace espalier::server {
namespace {

// TMPDIR as it was, once the test is over.
class KeptTmpdir {
 public:
  KeptTmpdir() {
    if (const char* now = std::getenv("TMPDIR")) was_ = now;
  }
  ~KeptTmpdir() { was_.empty() ? ::unsetenv("TMPDIR") : ::setenv("TMPDIR", was_.c_str(), 1); }

 private:
  std::string was_;
};

TEST(TemporaryFolder, IsOursUnlessTheUserHasSetOne) {
  const KeptTmpdir kept;
  const std::string folder = ::testing::TempDir() + "/espalier_temporary_folder";
  std::filesystem::remove_all(folder);
  ::setenv("TMPDIR", "/var/tmp", 1);
  ASSERT_TRUE(set_temporary_folder(folder).ok());
  EXPECT_EQ(std::filesystem::temp_directory_path(), "/var/tmp");
  EXPECT_FALSE(std::filesystem::exists(folder));
  ::unsetenv("TMPDIR");
  ASSERT_TRUE(set_temporary_folder(folder).ok());
  EXPECT_TRUE(std::filesystem::equivalent(std::filesystem::temp_directory_path(), folder));
  std::filesystem::remove_all(folder);
}

TEST(TemporaryFolder, SaysWhenItCannotBeMade) {
  const KeptTmpdir kept;
  ::unsetenv("TMPDIR");
  EXPECT_FALSE(set_temporary_folder("/proc/none").ok());
  EXPECT_EQ(std::getenv("TMPDIR"), nullptr);
}

}  // namespace
}  // namespace espalier::server
