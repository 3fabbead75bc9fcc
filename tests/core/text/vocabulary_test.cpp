#include "core/text/vocabulary.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

using ::testing::HasSubstr;

TEST(Vocabulary, NumbersItsLines) {
  for (const char* text :
       {"[UNK]\n[CLS]\n[SEP]\nab\n##ab\n", "[UNK]\r\n[CLS]\r\n[SEP]\r\nab\r\n##ab"}) {
    auto vocabulary = Vocabulary::read(text);
    ASSERT_TRUE(vocabulary.ok()) << vocabulary.status();
    EXPECT_EQ(vocabulary->size(), 5);
    EXPECT_EQ(vocabulary->find("ab"), 3);
    EXPECT_EQ(vocabulary->find_continuation("ab"), 4);
    EXPECT_EQ(vocabulary->find("b"), Vocabulary::kAbsent);
  }
}

TEST(Vocabulary, RefusesATokenThatStandsThereTwice) {
  auto status = Vocabulary::read("[UNK]\n[CLS]\n[SEP]\na\nb\na\n").status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("'a' on line 4 and again on line 6"));
}

TEST(Vocabulary, NeedsTheTokensThatEveryInputHas) {
  EXPECT_THAT(std::string(Vocabulary::read("[UNK]\n[CLS]\na\n").status().message()),
              HasSubstr("no [SEP]"));
  EXPECT_FALSE(Vocabulary::read("").ok());
}

}  // namespace
}  // namespace espalier
