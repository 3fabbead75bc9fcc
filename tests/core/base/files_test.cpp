#include "core/base/files.h"

#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class Files : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(make_folders(root_).ok()); }
  void TearDown() override { std::filesystem::remove_all(root_); }
  const std::string root_ = ::testing::TempDir() + "espalier_files_" +
                            ::testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_F(Files, ReadBackWhatWasWritten) {
  const std::string bytes("a\0b\n\xff", 5);
  ASSERT_TRUE(write_file(root_ + "/x", bytes).ok());
  EXPECT_EQ(*read_file(root_ + "/x"), bytes);
}

TEST_F(Files, AreReplacedWholeAndLeaveNothingBeside) {
  ASSERT_TRUE(write_file(root_ + "/x", "first, and longer").ok());
  ASSERT_TRUE(write_file(root_ + "/x", "second").ok());
  EXPECT_EQ(*read_file(root_ + "/x"), "second");
  EXPECT_THAT(*list_files(root_), ElementsAre("x"));
}

TEST_F(Files, AreRemovedTheLongestUnusedFirstAndWhatHasASecondLinkNever) {
  ASSERT_TRUE(make_folders(root_ + "/kept").ok());
  const auto now = std::filesystem::file_time_type::clock::now();
  int age = 9;
  for (const char* name : {"linked", "old", "middle", "new"}) {
    const std::string path = root_ + "/kept/" + name;
    ASSERT_TRUE(write_file(path, "four").ok());
    std::filesystem::last_write_time(path, now - std::chrono::hours(age--));
  }
  std::filesystem::create_hard_link(root_ + "/kept/linked", root_ + "/link");
  trim_folder(root_ + "/kept", 8);
  EXPECT_THAT(*list_files(root_ + "/kept"), ElementsAre("linked", "new"));
  trim_folder(root_ + "/none", 8);
}

TEST_F(Files, ThatAreBeingWrittenAsideStayForADayAndThenGoEvenWhereThereIsRoom) {
  ASSERT_TRUE(make_folders(root_ + "/kept").ok());
  const auto written_aside = [&](const std::string& name, int hours_ago) {
    const std::string path = aside_of(root_ + "/kept/" + name);
    ASSERT_TRUE(write_file(path, "12345").ok());
    std::filesystem::last_write_time(
        path, std::filesystem::file_time_type::clock::now() - std::chrono::hours(hours_ago));
  };
  written_aside("slow", 23);
  written_aside("abandoned", 25);
  ASSERT_TRUE(write_file(root_ + "/kept/whole", "12345").ok());
  trim_folder(root_ + "/kept", 10);
  EXPECT_THAT(*list_files(root_ + "/kept"), ElementsAre(StartsWith("slow.part."), "whole"));
  trim_folder(root_ + "/kept", 0);
  EXPECT_THAT(*list_files(root_ + "/kept"), ElementsAre(StartsWith("slow.part.")));
}

TEST_F(Files, AreListedSortedAndBelowTheRoot) {
  ASSERT_TRUE(make_folders(root_ + "/b/c").ok());
  ASSERT_TRUE(write_file(root_ + "/b/c/2", "").ok());
  ASSERT_TRUE(write_file(root_ + "/a", "").ok());
  EXPECT_THAT(*list_files(root_), ElementsAre("a", "b/c/2"));
}

TEST_F(Files, ThatAreNotThereAreNotFound) {
  EXPECT_TRUE(absl::IsNotFound(read_file(root_ + "/none").status()));
  EXPECT_TRUE(absl::IsNotFound(read_file(root_).status()));
  EXPECT_TRUE(absl::IsNotFound(list_files(root_ + "/none").status()));
  EXPECT_FALSE(write_file(root_ + "/none/x", "").ok());
}

TEST_F(Files, ThatAreNoJsonAreNamed) {
  ASSERT_TRUE(write_file(root_ + "/x.json", "{\"a\": }").ok());
  auto status = read_json(root_ + "/x.json").status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("x.json"));
}

TEST(RelativePath, StaysBelowItsRoot) {
  for (const char* good : {"a", "a/b", "a.b/c-d_e", "..a", "a.."})
    EXPECT_TRUE(check_relative_path(good).ok()) << good;
  for (const char* bad :
       {"", "/a", "a/", "a//b", ".", "..", "a/../b", "a/./b", "a\\b", "a\nb", "a\tb", "a\x7f"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(check_relative_path(bad))) << bad;
  }
  EXPECT_FALSE(check_relative_path(std::string_view("a\0b", 3)).ok());
  EXPECT_FALSE(check_relative_path(std::string(513, 'a')).ok());
}

}  // namespace
}  // namespace espalier
