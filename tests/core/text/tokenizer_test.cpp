#include "core/text/tokenizer.h"

#include "core/text/wordpiece.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/text/folder.h"

namespace espalier {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

// Ids by line: 0 [PAD] ... 4 [MASK], 5 un ...
constexpr char kVocabulary[] =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##aff\n##able\na\n##a\n##ff\n!\n中\nß\n";

std::unique_ptr<Tokenizer> tokenizer() {
  auto made = load_tokenizer(testing::Folder(testing::Files{{"vocab.txt", kVocabulary}}).path());
  EXPECT_TRUE(made.ok()) << made.status();
  return *std::move(made);
}

TEST(Tokenizer, TakesTheLongestPieceFirst) {
  EXPECT_THAT(tokenizer()->tokenize("Unaffable! aff"), ElementsAre(5, 6, 7, 11, 8, 10));
}

TEST(Tokenizer, MakesAWholeWordUnknown) {
  EXPECT_THAT(tokenizer()->tokenize("unaffx a"), ElementsAre(1, 8));
  EXPECT_THAT(tokenizer()->tokenize("ßa 中!"), ElementsAre(13, 9, 12, 11));
}

TEST(Tokenizer, GivesUpOnWordsOfMoreThanHundredCharacters) {
  EXPECT_EQ(tokenizer()->tokenize(std::string(100, 'a')).size(), 100u);
  EXPECT_THAT(tokenizer()->tokenize(std::string(101, 'a')), ElementsAre(1));
}

TEST(Tokenizer, KeepsSpecialTokensThatStandInTheText) {
  EXPECT_THAT(tokenizer()->tokenize("un[SEP]aff[MASK]"), ElementsAre(5, 3, 8, 10, 4));
  EXPECT_THAT(tokenizer()->tokenize("[CLS"), ElementsAre(1, 1));
  EXPECT_THAT(tokenizer()->tokenize("[[PAD]]"), ElementsAre(1, 0, 1));
  EXPECT_THAT(tokenizer()->tokenize("[sep]"), ElementsAre(1, 1, 1));
}

TEST(Tokenizer, OfNothingGivesNothing) {
  EXPECT_TRUE(tokenizer()->tokenize("").empty());
  EXPECT_TRUE(tokenizer()->tokenize(" \xFF ").empty());
  EXPECT_EQ(tokenizer()->vocabulary(), 14);
}

TEST(Encoding, OfOneTextIsMarkedAndCut) {
  const Encoding whole = tokenizer()->encode("a a", "", false, 8);
  EXPECT_THAT(whole.ids, ElementsAre(2, 8, 8, 3));
  EXPECT_THAT(whole.types, ElementsAre(0, 0, 0, 0));
  EXPECT_FALSE(whole.truncated);
  const Encoding cut = tokenizer()->encode("a ! a", "", false, 4);
  EXPECT_THAT(cut.ids, ElementsAre(2, 8, 11, 3));
  EXPECT_TRUE(cut.truncated);
}

TEST(Encoding, OfAPairHasTwoTypes) {
  const Encoding pair = tokenizer()->encode("a", "! !", true, 16);
  EXPECT_THAT(pair.ids, ElementsAre(2, 8, 3, 11, 11, 3));
  EXPECT_THAT(pair.types, ElementsAre(0, 0, 0, 1, 1, 1));
  const Encoding empty = tokenizer()->encode("", "", true, 16);
  EXPECT_THAT(empty.ids, ElementsAre(2, 3, 3));
}

TEST(Truncation, TakesFromTheLongerFirst) {
  EXPECT_THAT(truncate_longest_first(2, 3, 5), Pair(2, 3));
  EXPECT_THAT(truncate_longest_first(2, 9, 5), Pair(2, 3));
  EXPECT_THAT(truncate_longest_first(9, 2, 5), Pair(3, 2));
  EXPECT_THAT(truncate_longest_first(9, 9, 5), Pair(2, 3));
  EXPECT_THAT(truncate_longest_first(9, 9, 0), Pair(0, 0));
}

TEST(Tokenizer, NeedsItsVocabulary) {
  EXPECT_FALSE(load_tokenizer(testing::Folder(testing::Files{}).path()).ok());
}

}  // namespace
}  // namespace espalier
