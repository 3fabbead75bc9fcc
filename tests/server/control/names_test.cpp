#include "server/control/names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace espalier::server {
namespace {

TEST(Names, IdsFollowRfc1034) {
  for (const char* good : {"a", "mini-lm", "a1", "x-9"})
    EXPECT_TRUE(check_id(good, "id").ok()) << good;
  for (const char* bad : {"", "A", "1a", "-a", "a-", "a_b", "a/b", "a.b"})
    EXPECT_FALSE(check_id(bad, "id").ok()) << bad;
  EXPECT_TRUE(check_id(std::string(63, 'a'), "id").ok());
  EXPECT_FALSE(check_id(std::string(64, 'a'), "id").ok());
}

TEST(Names, NamesAreReadBackAndWrongOnesSayTheForm) {
  const Key key{"default", "a"};
  EXPECT_EQ(*parse_name(make_name(key, "jobs"), "jobs"), key);
  const auto wrong = parse_name("projects/default/models/a", "jobs");
  EXPECT_THAT(std::string(wrong.status().message()),
              testing::HasSubstr("projects/default/jobs/some-id"));
  EXPECT_FALSE(parse_name("a", "jobs").ok());
  EXPECT_FALSE(parse_parent("default").ok());
}

TEST(Names, OneThatIsNotThereComesWithTheCommandThatListsWhatIs) {
  const absl::Status status = no_such({"default", "tiny2"}, "models");
  EXPECT_TRUE(absl::IsNotFound(status));
  EXPECT_EQ(
      status.message(),
      "there is no projects/default/models/tiny2; 'espalier models list' shows what there is");
  EXPECT_THAT(std::string(no_such({"mine", "a"}, "jobs").message()),
              testing::HasSubstr("'espalier jobs list --project mine' shows"));
}

TEST(Names, RandomIdsAreValidAndDiffer) {
  const std::string one = random_id(8);
  EXPECT_EQ(one.size(), 8u);
  EXPECT_TRUE(check_id(one, "id").ok());
  EXPECT_NE(one, random_id(8));
}

TEST(Names, APageTokenWorksForItsOwnQueryOnly) {
  const std::string token = make_page_token(42, "jobs");
  EXPECT_EQ(*read_page_token(token, "jobs"), 42);
  EXPECT_EQ(*read_page_token("", "jobs"), 0);
  EXPECT_FALSE(read_page_token(token, "models").ok());
  EXPECT_FALSE(read_page_token("nonsense", "jobs").ok());
}

TEST(Names, PageSizesHaveADefaultAndABound) {
  EXPECT_EQ(*page_rows(0), 50);
  EXPECT_EQ(*page_rows(5000), 1000);
  EXPECT_FALSE(page_rows(-1).ok());
}

}  // namespace
}  // namespace espalier::server
