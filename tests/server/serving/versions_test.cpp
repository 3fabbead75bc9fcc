#include "server/serving/versions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace espalier::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> chosen(const std::string& policy, std::vector<std::string> present) {
  const auto versions = choose_versions(*parse_version_policy(policy), std::move(present));
  return versions.ok() ? *versions : std::vector<std::string>{versions.status().ToString()};
}

TEST(Versions, NumbersInNamesCountAsNumbers) {
  EXPECT_TRUE(is_older("9", "10"));
  EXPECT_FALSE(is_older("10", "9"));
  EXPECT_TRUE(is_older("v1.9", "v1.10"));
  EXPECT_TRUE(is_older("quickstart", "quickstart-2"));
  EXPECT_TRUE(is_older("99999999999999999999998", "99999999999999999999999"));
  EXPECT_FALSE(is_older("a", "a"));
  EXPECT_NE(is_older("1", "01"), is_older("01", "1"));
}

TEST(Versions, TheNewestComeFirst) {
  EXPECT_THAT(chosen("latest", {"1", "10", "9"}), ElementsAre("10"));
  EXPECT_THAT(chosen("latest:2", {"1", "10", "9"}), ElementsAre("10", "9"));
  EXPECT_THAT(chosen("latest:5", {"1", "2"}), ElementsAre("2", "1"));
  EXPECT_THAT(chosen("all", {"1", "10", "9"}), ElementsAre("10", "9", "1"));
  EXPECT_THAT(chosen("specific:1,9", {"1", "10", "9"}), ElementsAre("9", "1"));
}

TEST(Versions, AVersionOfThePolicyMustBeThere) {
  EXPECT_THAT(
      chosen("specific:7", {"1", "2"}),
      ElementsAre(HasSubstr("version \"7\" of the version policy is not there; there are 2, 1")));
  EXPECT_THAT(chosen("all", {}), ElementsAre(HasSubstr("NOT_FOUND")));
}

TEST(Versions, WhatIsNoPolicyIsRefusedWithWhatIs) {
  for (const char* text : {"", "newest", "latest:0", "latest:x", "latest:", "all:1", "specific",
                           "specific:", "specific:1,,2"}) {
    const auto policy = parse_version_policy(text);
    ASSERT_FALSE(policy.ok()) << text;
    EXPECT_THAT(std::string(policy.status().message()), HasSubstr("specific:A,B"));
  }
}

TEST(Versions, AModelMayHaveAPolicyOfItsOwn) {
  VersionPolicies policies;
  ASSERT_TRUE(add_version_policy("all", &policies).ok());
  ASSERT_TRUE(add_version_policy("m=latest:3", &policies).ok());
  EXPECT_EQ(policies["m"].latest, 3);
  EXPECT_EQ(policies["other"].kind, VersionPolicy::Kind::kAll);
  EXPECT_FALSE(add_version_policy("m=all", &policies).ok());
  EXPECT_FALSE(add_version_policy("=all", &policies).ok());
}

}  // namespace
}  // namespace espalier::server
