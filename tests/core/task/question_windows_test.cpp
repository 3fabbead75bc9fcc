#include "core/task/question_windows.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/task/characters.h"

namespace espalier {
namespace {

using testing::Characters;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Span kNo{-1, -1};

std::vector<QuestionWindow> windows(std::string_view question, std::string_view context,
                                    int max_length) {
  auto out = question_windows(Characters(), question, context, max_length);
  EXPECT_TRUE(out.ok()) << out.status();
  return *std::move(out);
}

TEST(QuestionWindows, AreOneWhereAllFits) {
  const auto one = windows("ab", "cde", 8);
  ASSERT_EQ(one.size(), 1u);
  EXPECT_THAT(one[0].input.ids, ElementsAre(1, 'a', 'b', 2, 'c', 'd', 'e', 2));
  EXPECT_THAT(one[0].input.types, ElementsAre(0, 0, 0, 0, 1, 1, 1, 1));
  EXPECT_THAT(one[0].places,
              ElementsAre(kNo, kNo, kNo, kNo, Span{0, 1}, Span{1, 2}, Span{2, 3}, kNo));
  EXPECT_FALSE(one[0].input.truncated);
}

// 12 tokens: 3 are special, 2 the question's; of the 7 others 4 are those of the window before.
TEST(QuestionWindows, OverlapByAThirdAndEndWithTheContext) {
  const auto three = windows("ab", "cdefghijklm", 12);
  ASSERT_EQ(three.size(), 3u);
  EXPECT_THAT(three[1].input.ids,
              ElementsAre(1, 'a', 'b', 2, 'f', 'g', 'h', 'i', 'j', 'k', 'l', 2));
  EXPECT_THAT(three[2].input.ids, ElementsAre(1, 'a', 'b', 2, 'i', 'j', 'k', 'l', 'm', 2));
  EXPECT_EQ(three[2].places[4], (Span{6, 7}));
  EXPECT_EQ(windows("ab", "cdefghi", 12).size(), 1u);
  EXPECT_EQ(windows("ab", "cdefghij", 12).size(), 2u);
}

TEST(QuestionWindows, StrideIsTheExamplesAtItsLength) {
  EXPECT_EQ(window_stride(384), 128);
  EXPECT_EQ(window_stride(512), 128);
  EXPECT_EQ(window_stride(128), 42);
}

TEST(QuestionWindows, CutALongQuestionToHalf) {
  const auto cut = windows("abcdef", "xyz", 9);
  ASSERT_EQ(cut.size(), 1u);
  EXPECT_THAT(cut[0].input.ids, ElementsAre(1, 'a', 'b', 'c', 2, 'x', 'y', 'z', 2));
  EXPECT_TRUE(cut[0].input.truncated);
}

TEST(QuestionWindows, DropSpaceBeforeTheQuestionOnly) {
  EXPECT_THAT(windows(" \xC2\xA0\tq ", " c", 16)[0].input.ids,
              ElementsAre(1, 'q', ' ', 2, ' ', 'c', 2));
  EXPECT_THAT(windows("  ", "", 16)[0].input.ids, ElementsAre(1, 2, 2));
}

TEST(QuestionWindows, NeedRoomForTheContext) {
  EXPECT_EQ(windows("ab", "cde", 4).size(), 3u);  // a token each, and none of the question
  const auto refused = question_windows(Characters(), "ab", "cde", 3);
  EXPECT_TRUE(absl::IsInvalidArgument(refused.status()));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("at least 4 would work"));
}

// [CLS] a [SEP] and words of two code points each with a space between, [SEP].
std::vector<Span> words(int first, int count) {
  std::vector<Span> out = {kNo, kNo, kNo};
  for (int w = first; w < first + count; ++w) out.push_back({3 * w, 3 * w + 2});
  out.push_back(kNo);
  return out;
}

TEST(AnswerTokens, AreTheOnesAroundTheAnswer) {
  EXPECT_EQ(answer_tokens(words(0, 4), {3, 8}), (AnswerTokens{4, 5}));
  EXPECT_EQ(answer_tokens(words(0, 4), {4, 7}), (AnswerTokens{4, 5}));  // inside of words
  EXPECT_EQ(answer_tokens(words(0, 4), {0, 11}), (AnswerTokens{3, 6}));
  EXPECT_EQ(answer_tokens(words(0, 4), {9, 11}), (AnswerTokens{6, 6}));  // the last token
}

TEST(AnswerTokens, AreTheFirstWhereTheAnswerIsNotWhole) {
  EXPECT_EQ(answer_tokens(words(1, 4), {0, 5}), (AnswerTokens{0, 0}));
  EXPECT_EQ(answer_tokens(words(1, 4), {12, 17}), (AnswerTokens{0, 0}));
  EXPECT_EQ(answer_tokens(words(0, 0), {0, 2}), (AnswerTokens{0, 0}));
}

// Byte-level tokens: the second character is tokens 4 and 5.
TEST(AnswerTokens, HoldAWholeCharacter) {
  const std::vector<Span> places = {kNo, kNo, kNo, {0, 1}, {1, 2}, {1, 2}, {2, 3}, kNo};
  EXPECT_EQ(answer_tokens(places, {1, 2}), (AnswerTokens{4, 5}));
}

}  // namespace
}  // namespace espalier
