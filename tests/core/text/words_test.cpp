#include "core/text/words.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> words(std::string_view text, BertSettings settings = {}) {
  std::vector<std::string> out;
  WordSplitter(settings).split(text, [&](const Word& word) { out.emplace_back(word.text); });
  return out;
}

constexpr BertSettings kCased{true, true, false, false};

TEST(Words, AreCutAtSpaceAndPunctuation) {
  EXPECT_THAT(words("Don't stop, now!"), ElementsAre("don", "'", "t", "stop", ",", "now", "!"));
  EXPECT_THAT(words(" \t\r\n "), IsEmpty());
  EXPECT_THAT(words(""), IsEmpty());
  EXPECT_THAT(words("a$b^c`d|e"), ElementsAre("a", "$", "b", "^", "c", "`", "d", "|", "e"));
}

TEST(Words, LoseControlCharactersButNotTheSpaceOfTabs) {
  EXPECT_THAT(words(std::string_view("a\0b\x01"
                                     "c\td\x0B"
                                     "e",
                                     9)),
              ElementsAre("abc", "de"));
  EXPECT_THAT(words("a\u200Bb\uFEFFc\u00ADd"), ElementsAre("abcd"));
  EXPECT_THAT(words("a\u00A0b\u2028c\u3000d"), ElementsAre("a", "b", "c", "d"));
}

TEST(Words, LoseAccentsAndCaseWhereAsked) {
  EXPECT_THAT(words("Crème BRÛLÉE İstanbul"), ElementsAre("creme", "brulee", "istanbul"));
  EXPECT_THAT(words("Crème BRÛLÉE", kCased), ElementsAre("Crème", "BRÛLÉE"));
  EXPECT_THAT(words("É İ", {true, true, false, true}), ElementsAre("é", "i\u0307"));
  EXPECT_THAT(words("ΟΔΟΣ"), ElementsAre("οδοσ"));  // no final sigma: letter by letter
}

TEST(Words, OfIdeographsAreSingleOnes) {
  EXPECT_THAT(words("ab中文c"), ElementsAre("ab", "中", "文", "c"));
  EXPECT_THAT(words("中文", {true, false, true, true}), ElementsAre("中文"));
  EXPECT_THAT(words("ひら"), ElementsAre("ひら"));
}

TEST(Words, BreakAtUnicodePunctuation) {
  EXPECT_THAT(words("“a”—b…¿c"), ElementsAre("“", "a", "”", "—", "b", "…", "¿", "c"));
  EXPECT_THAT(words("a€b"), ElementsAre("a€b"));  // a currency sign is a symbol, no punctuation
}

TEST(Words, SurviveWhatIsNoUtf8) {
  EXPECT_THAT(words("a\xFF"
                    "b \xC3"),
              ElementsAre("ab"));
  EXPECT_THAT(words("\xED\xA0\x80x"), ElementsAre("x"));
}

TEST(Words, AreTheSameOnBothPaths) {
  // One letter beyond ASCII sends the whole text down the other path.
  std::string ascii;
  for (int c = 0; c < 128; ++c)
    ascii += {static_cast<char>('a' + c % 26), static_cast<char>(c), 'Z'};
  for (const BertSettings& settings :
       {BertSettings{}, kCased, BertSettings{false, true, true, true}}) {
    auto both = words(ascii + " ß", settings);
    ASSERT_FALSE(both.empty());
    both.pop_back();
    EXPECT_EQ(words(ascii, settings), both);
  }
}

TEST(Words, KnowTheirLengthInCharacters) {
  std::vector<size_t> lengths;
  WordSplitter({}).split("abc ßß 中",
                         [&](const Word& word) { lengths.push_back(word.characters); });
  EXPECT_THAT(lengths, ElementsAre(3, 2, 1));
}

}  // namespace
}  // namespace espalier
