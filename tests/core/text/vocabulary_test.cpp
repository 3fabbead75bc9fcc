#include "core/text/vocabulary.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

using ::testing::HasSubstr;

std::string problem(const absl::StatusOr<Vocabulary>& vocabulary) {
  return std::string(vocabulary.status().message());
}

TEST(Vocabulary, NumbersItsLines) {
  for (const char* text : {"[UNK]\nab\n##ab\n", "[UNK]\r\nab\r\n##ab"}) {
    auto vocabulary = Vocabulary::from_lines(text, "vocab.txt");
    ASSERT_TRUE(vocabulary.ok()) << vocabulary.status();
    EXPECT_EQ(vocabulary->size(), 3);
    EXPECT_EQ(vocabulary->find("ab"), 1);
    EXPECT_EQ(vocabulary->find("##ab"), 2);
    EXPECT_EQ(vocabulary->find("b"), Vocabulary::kAbsent);
  }
}

TEST(Vocabulary, RefusesATokenThatStandsThereTwice) {
  auto vocabulary = Vocabulary::from_lines("x\ny\nz\na\nb\na\n", "vocab.txt");
  EXPECT_TRUE(absl::IsInvalidArgument(vocabulary.status()));
  EXPECT_THAT(problem(vocabulary),
              HasSubstr("vocab.txt has the token 'a' on line 4 and again on line 6"));
}

TEST(Vocabulary, RefusesWhatIsNotUtf8) {
  EXPECT_THAT(problem(Vocabulary::from_lines("a\n\xC3\n", "vocab.txt")),
              HasSubstr("line 2 is not UTF-8"));
}

TEST(Vocabulary, OfJsonHasTheIdsThatAreThere) {
  auto vocabulary = Vocabulary::from_json(Json::parse(R"({"a": 7, "b": 0})"), "vocab.json");
  ASSERT_TRUE(vocabulary.ok());
  EXPECT_EQ(vocabulary->find("a"), 7);
  EXPECT_EQ(vocabulary->size(), 8);  // the ids between have no token
}

TEST(Vocabulary, RefusesIdsThatAreNone) {
  for (const char* json :
       {R"({"a": -1})", R"({"a": "1"})", R"({"a": 1.5})", R"({"a": 16777216})"}) {
    EXPECT_THAT(problem(Vocabulary::from_json(Json::parse(json), "vocab.json")),
                HasSubstr("vocab.json: the id of the token 'a' is"));
  }
  EXPECT_FALSE(Vocabulary::from_json(Json::parse("[1]"), "vocab.json").ok());
}

}  // namespace
}  // namespace espalier
