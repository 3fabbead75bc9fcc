#include "core/text/tokenizer.h"

#include "core/base/files.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/text/folder.h"

namespace espalier {
namespace {

using ::testing::ElementsAre;
using testing::Files;
using testing::Folder;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

// Ids by line: 0 [PAD] ... 4 [MASK], 5 un ...
constexpr char kVocabulary[] =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##aff\n##able\na\n##a\n##ff\n!\n中\nß\n";

std::unique_ptr<Tokenizer> from(const Files& files) {
  auto made = load_tokenizer(Folder(files).path());
  EXPECT_TRUE(made.ok()) << made.status();
  return *std::move(made);
}

std::unique_ptr<Tokenizer> tokenizer() { return from({{"vocab.txt", kVocabulary}}); }

std::string problem(const Files& files) {
  return std::string(load_tokenizer(Folder(files).path()).status().message());
}

std::vector<Span> offsets(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<Span> out;
  tokenizer.tokenize(text, &out);
  return out;
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
  EXPECT_THAT(tokenizer()->tokenize(""), IsEmpty());
  EXPECT_THAT(tokenizer()->tokenize(" \xFF "), IsEmpty());
  EXPECT_EQ(tokenizer()->vocabulary(), 14);
}

TEST(Tokenizer, KnowsHowATokenIsWritten) {
  EXPECT_EQ(tokenizer()->written(6), "##aff");
  EXPECT_EQ(tokenizer()->written(4), "[MASK]");
  EXPECT_EQ(tokenizer()->written(14), "");
  EXPECT_EQ(tokenizer()->written(-1), "");
}

TEST(Offsets, CountCodePointsOfTheOriginal) {
  EXPECT_THAT(offsets(*tokenizer(), " ÜN\u0301aff[SEP]中 xyz"),
              ElementsAre(Span{1, 3}, Span{4, 7}, Span{7, 12}, Span{12, 13}, Span{14, 17}));
  EXPECT_THAT(offsets(*tokenizer(), "ßa!"), ElementsAre(Span{0, 1}, Span{1, 2}, Span{2, 3}));
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
  EXPECT_EQ(pair.first_begin, 1);
  EXPECT_EQ(pair.second_begin, 3);
  const Encoding empty = tokenizer()->encode("", "", true, 16);
  EXPECT_THAT(empty.ids, ElementsAre(2, 3, 3));
}

TEST(Encoding, IsJoinedFromWhatTheCallerCut) {
  const std::vector<int32_t> question = {5, 6}, window = {8, 11, 12};
  const Encoding out = tokenizer()->join(question, std::span(window).subspan(1), true);
  EXPECT_THAT(out.ids, ElementsAre(2, 5, 6, 3, 11, 12, 3));
  EXPECT_EQ(static_cast<int>(out.ids.size()), 4 + tokenizer()->added_tokens(true));
}

TEST(Truncation, TakesFromTheLongerFirst) {
  EXPECT_THAT(truncate_longest_first(2, 3, 5), Pair(2, 3));
  EXPECT_THAT(truncate_longest_first(2, 9, 5), Pair(2, 3));
  EXPECT_THAT(truncate_longest_first(9, 2, 5), Pair(3, 2));
  EXPECT_THAT(truncate_longest_first(9, 9, 5), Pair(2, 3));
  EXPECT_THAT(truncate_longest_first(9, 9, 0), Pair(0, 0));
}

TEST(Tokenizer, OfMpnetHasItsOwnSpecialTokens) {
  const auto mpnet = from({{"vocab.txt", "<s>\n<pad>\n</s>\n[UNK]\n<mask>\na\n"}});
  const Encoding pair = mpnet->encode("a x", "a <mask>", true, 16);
  EXPECT_THAT(pair.ids, ElementsAre(0, 5, 3, 2, 2, 5, 4, 2));
  EXPECT_EQ(pair.second_begin, 5);
  const SpecialTokens specials = mpnet->specials();
  EXPECT_EQ(specials.pad, 1);
  EXPECT_EQ(specials.unknown, 3);
  EXPECT_EQ(specials.separator, 2);
  EXPECT_EQ(specials.mask, 4);
}

constexpr char kWhole[] = R"({
  "added_tokens": [{"id": 1, "content": "[S]", "special": true, "normalized": false},
                   {"id": 9, "content": "New", "special": false, "normalized": true}],
  "normalizer": {"type": "BertNormalizer", "lowercase": true},
  "pre_tokenizer": {"type": "BertPreTokenizer"},
  "post_processor": {"type": "TemplateProcessing",
    "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[S]", "type_id": 2}}],
    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
    "special_tokens": {"[S]": {"id": "[S]", "ids": [1], "tokens": ["[S]"]}}},
  "model": {"type": "WordPiece", "unk_token": "?", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 5, "vocab": {"?": 0, "[S]": 1, "a": 2, "##b": 3}}})";

TEST(TokenizerJson, IsEnoughAlone) {
  const auto made = from({{"tokenizer.json", kWhole}});
  EXPECT_THAT(made->tokenize("ab [S]aNEW abbbbb"), ElementsAre(2, 3, 1, 2, 9, 0));
  const Encoding one = made->encode("a", "", false, 8);
  EXPECT_THAT(one.ids, ElementsAre(2, 1));
  EXPECT_THAT(one.types, ElementsAre(0, 2));
  EXPECT_EQ(made->added_tokens(true), 0);
  EXPECT_EQ(made->vocabulary(), 10);
  EXPECT_EQ(made->specials().unknown, 0);
  EXPECT_EQ(made->specials().first, -1);
}

TEST(TokenizerJson, WinsOverTheVocabularyFile) {
  const auto made = from({{"tokenizer.json", kWhole}, {"vocab.txt", "a\n"}});
  EXPECT_THAT(made->tokenize("a"), ElementsAre(2));
}

TEST(Tokenizer, SaysWhatItsFilesLack) {
  EXPECT_THAT(problem({}), HasSubstr("a tokenizer is tokenizer.json, vocab.txt (WordPiece), or"));
  EXPECT_THAT(problem({{"vocab.txt", ""}}), HasSubstr("no [UNK] among its 0 tokens"));
  EXPECT_THAT(problem({{"vocab.txt", "[UNK]\n[CLS]\na\n"}}),
              HasSubstr("no [SEP] among its 3 tokens"));
  EXPECT_THAT(problem({{"tokenizer.json", R"({"model": {"type": "WordPiece", "vocab": []}})"}}),
              HasSubstr("must be an object of tokens and their ids"));
  EXPECT_THAT(problem({{"tokenizer.json", R"({"model": 3, "vocab": 1})"}}),
              HasSubstr("no vocabulary"));
  const std::string post =
      R"({"model": {"type": "WordPiece", "vocab": {"[UNK]": 0}}, "post_processor": )";
  EXPECT_THAT(problem({{"tokenizer.json", post + R"({"type": "New"}})"}}),
              HasSubstr("the type is New; this build knows: BertProcessing"));
  EXPECT_THAT(problem({{"tokenizer.json", post + R"({"type": "BertProcessing", "sep": ["a", 7],
                                                     "cls": ["b", 0]}})"}}),
              HasSubstr("adds the id 7, but ids end at 0"));
  EXPECT_THAT(
      problem({{"tokenizer.json", post + R"({"type": "TemplateProcessing", "single": []}})"}}),
      HasSubstr("single must have every text once"));
}

}  // namespace
}  // namespace espalier
