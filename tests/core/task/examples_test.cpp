#include "core/task/examples.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Examples, GiveBackTheInputsThatWereAdded) {
  Examples examples;
  examples.add(Input{.pixels = {9, 8}, .image_tokens = 5}, {});
  examples.add(Input{.ids = {1, 2}, .types = {0, 1}}, {});
  examples.add(Input{.ids = {3}, .types = {0}, .asked = {0}}, {});
  EXPECT_THAT(examples.input(0).pixels, ElementsAre(9, 8));
  EXPECT_EQ(examples.tokens(0), 5);
  EXPECT_THAT(examples.input(1).ids, ElementsAre(1, 2));
  EXPECT_THAT(examples.input(1).types, ElementsAre(0, 1));
  EXPECT_THAT(examples.input(1).asked, IsEmpty());
  EXPECT_THAT(examples.input(2).asked, ElementsAre(0));
  EXPECT_THAT(examples.input(2).pixels, IsEmpty());
  EXPECT_EQ(examples.tokens(2), 1);
}

TEST(Examples, HaveNoColumnForWhatNoInputHas) {
  Examples examples;
  for (int i = 0; i < 3; ++i) examples.add(Input{.ids = {1}, .types = {0}}, {});
  EXPECT_EQ(examples.size(), 3);
  EXPECT_TRUE(examples.asked.empty() && examples.pixels.empty() && examples.image_tokens.empty());
}

TEST(Examples, CountSamplesThatHaveNoWindow) {
  Examples examples;
  examples.add({}, std::vector<Features>());
  EXPECT_EQ(examples.size(), 0);
  EXPECT_EQ(examples.left_out, 1);
}

TEST(Passages, KnowTheAnswersOfEachText) {
  const std::vector<std::string> two = {"it", ""}, none, one = {"stands"};
  Passages passages;
  passages.add("where it stands", two);
  passages.add("", none);
  passages.add("where", one);
  EXPECT_EQ(passages.text(0), "where it stands");
  EXPECT_THAT(passages.answers_of(0), ElementsAre("it", ""));
  EXPECT_THAT(passages.answers_of(1), IsEmpty());
  EXPECT_THAT(passages.answers_of(2), ElementsAre("stands"));
}

}  // namespace
}  // namespace espalier
