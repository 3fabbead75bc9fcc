#include "core/text/bert_text.h"

#include <string>
#include <vector>

#include "core/text/utf8.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Normalized normalized(std::string_view text, BertSettings settings) {
  Normalized out;
  out.traced = true;
  BertNormalizer(settings).normalize(is_utf8(text) ? text : repair_utf8(text), 0, out);
  return out;
}

std::vector<std::string> words(std::string_view text, BertSettings settings = {}) {
  const Normalized all = normalized(text, settings);
  std::vector<std::string> out;
  for (size_t at = 0; at < all.text.size();) {
    const size_t end = next_bert_word(all.text, at);
    if (at < end) out.push_back(all.text.substr(at, end - at));
    at = end;
  }
  return out;
}

constexpr BertSettings kCased{true, true, false, false};

TEST(BertText, IsCutAtSpaceAndPunctuation) {
  EXPECT_THAT(words("Don't stop, now!"), ElementsAre("don", "'", "t", "stop", ",", "now", "!"));
  EXPECT_THAT(words(" \t\r\n "), IsEmpty());
  EXPECT_THAT(words(""), IsEmpty());
  EXPECT_THAT(words("a$b^c`d|e"), ElementsAre("a", "$", "b", "^", "c", "`", "d", "|", "e"));
}

TEST(BertText, LosesControlCharactersButNotTheSpaceOfTabs) {
  EXPECT_THAT(words(std::string_view("a\0b\x01"
                                     "c\td\x0B"
                                     "e",
                                     9)),
              ElementsAre("abc", "de"));
  EXPECT_THAT(words("a\u200Bb\uFEFFc\u00ADd"), ElementsAre("abcd"));
  EXPECT_THAT(words("a\u00A0b\u2028c\u3000d"), ElementsAre("a", "b", "c", "d"));
}

TEST(BertText, LosesAccentsAndCaseWhereAsked) {
  EXPECT_THAT(words("Crème BRÛLÉE İstanbul"), ElementsAre("creme", "brulee", "istanbul"));
  EXPECT_THAT(words("Crème BRÛLÉE", kCased), ElementsAre("Crème", "BRÛLÉE"));
  EXPECT_THAT(words("É İ", {true, true, false, true}), ElementsAre("é", "i\u0307"));
  EXPECT_THAT(words("ΟΔΟΣ"), ElementsAre("οδοσ"));  // no final sigma: letter by letter
}

TEST(BertText, MakesEveryIdeographAWord) {
  EXPECT_THAT(words("ab中文c"), ElementsAre("ab", "中", "文", "c"));
  EXPECT_THAT(words("中文", {true, false, true, true}), ElementsAre("中文"));
  EXPECT_THAT(words("ひら"), ElementsAre("ひら"));
}

TEST(BertText, BreaksAtUnicodePunctuation) {
  EXPECT_THAT(words("“a”—b…¿c"), ElementsAre("“", "a", "”", "—", "b", "…", "¿", "c"));
  EXPECT_THAT(words("a€b"), ElementsAre("a€b"));  // a currency sign is a symbol, no punctuation
}

TEST(BertText, SurvivesWhatIsNoUtf8) {
  EXPECT_THAT(words("a\xFF"
                    "b \xC3"),
              ElementsAre("ab"));
  EXPECT_THAT(words("\xED\xA0\x80x"), ElementsAre("x"));
}

TEST(BertText, PutsMarksInCanonicalOrder) {
  // What is dropped between them does not keep them apart. Expected: tokenizers' BertNormalizer.
  EXPECT_EQ(normalized("\u302E\x01\U0001D165", {}).text, "\U0001D165\u302E");
  EXPECT_EQ(normalized("각\u0301", {}).text, "\u1100\u1161\u11A8");
}

TEST(BertText, KnowsThePlaceOfEveryByte) {
  const Normalized out = normalized("É\u0301a\x01中İ", {});
  EXPECT_EQ(out.text, "ea 中 i");
  EXPECT_THAT(out.places, ElementsAre(Span{0, 1}, Span{2, 3}, Span{4, 5}, Span{4, 5}, Span{4, 5},
                                      Span{4, 5}, Span{4, 5}, Span{5, 6}));
}

}  // namespace
}  // namespace espalier
