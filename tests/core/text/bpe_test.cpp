#include "core/text/bpe.h"

#include "core/text/byte_level.h"
#include "core/text/tokenizer.h"
#include "core/text/utf8.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/text/folder.h"

namespace espalier {
namespace {

using ::testing::ElementsAre;
using testing::Files;
using testing::Folder;
using ::testing::HasSubstr;

// Ids 0 to 255 are the bytes, then <s>, <pad>, </s>, <unk>, <mask>, then "lo", "low", "Ġlow", "er".
Json vocabulary() {
  Json out;
  for (int byte = 0; byte < 256; ++byte) {
    std::string token;
    append_character(token, character_of_byte(static_cast<unsigned char>(byte)));
    out[token] = byte;
  }
  int id = 256;
  for (const char* token : {"<s>", "<pad>", "</s>", "<unk>", "<mask>", "lo", "low", "Ġlow", "er"})
    out[token] = id++;
  return out;
}
enum : int32_t { kFirst = 256, kPad, kLast, kUnknown, kMask, kLo, kLow, kSpaceLow, kEr };

constexpr char kMerges[] = "#version: 0.2\nl o\nlo w\nĠ low\ne r\n";

std::unique_ptr<Tokenizer> roberta(const std::string& config = "{}") {
  auto made = load_tokenizer(Folder(Files{{"vocab.json", vocabulary().dump()},
                                          {"merges.txt", kMerges},
                                          {"tokenizer_config.json", config}})
                                 .path());
  EXPECT_TRUE(made.ok()) << made.status();
  return *std::move(made);
}

TEST(Bpe, MergesWhatWasLearnedFirst) {
  EXPECT_THAT(roberta()->tokenize("lower low lo"), ElementsAre(kLow, kEr, kSpaceLow, ' ', kLo));
  EXPECT_THAT(roberta()->tokenize("é"), ElementsAre(0xC3, 0xA9));
}

TEST(Bpe, TakesLongWordsApart) {
  std::string text;
  for (int i = 0; i < 20000; ++i) text += "low";
  EXPECT_THAT(roberta()->tokenize(text),
              ::testing::AllOf(::testing::SizeIs(20000), ::testing::Each(kLow)));
}

TEST(Bpe, PutsASpaceBeforeATextWhereAsked) {
  EXPECT_THAT(roberta(R"({"add_prefix_space": true})")->tokenize("low low"),
              ElementsAre(kSpaceLow, kSpaceLow));
  EXPECT_THAT(roberta()->tokenize_word("low"), ElementsAre(kSpaceLow));
  EXPECT_THAT(roberta()->tokenize_word(" low"), ElementsAre(kSpaceLow));
}

TEST(Bpe, KeepsMaskWithTheSpaceBeforeIt) {
  EXPECT_THAT(roberta()->tokenize("low <mask> low"), ElementsAre(kLow, kMask, kSpaceLow));
}

TEST(Bpe, WritesTokensAsTextDoes) {
  EXPECT_EQ(roberta()->written(kSpaceLow), " low");
  EXPECT_EQ(roberta()->written(kMask), "<mask>");
  EXPECT_EQ(roberta()->written(0xC3), "\xEF\xBF\xBD");  // half a character
}

TEST(Bpe, GivesOffsetsWithoutTheSpace) {
  std::vector<Span> offsets;
  roberta()->tokenize("é  low <mask>\n", &offsets);
  EXPECT_THAT(offsets, ElementsAre(Span{0, 1}, Span{0, 1}, Span{2, 2}, Span{3, 6}, Span{7, 13},
                                   Span{13, 14}));
  roberta()->tokenize_word("low", &offsets);
  EXPECT_THAT(offsets, ElementsAre(Span{0, 3}));
}

TEST(Bpe, GivesPartsOfACharacterTheWholeOfIt) {
  std::vector<Span> offsets;
  roberta()->tokenize("à d", &offsets);  // à ends in the byte A0, which is no space
  EXPECT_THAT(offsets, ElementsAre(Span{0, 1}, Span{0, 1}, Span{2, 2}, Span{2, 3}));
}

TEST(Bpe, MarksTextsAsRobertaDoes) {
  const Encoding pair = roberta()->encode("low", "er", true, 16);
  EXPECT_THAT(pair.ids, ElementsAre(kFirst, kLow, kLast, kLast, kEr, kLast));
  EXPECT_THAT(pair.types, ::testing::Each(0));
  EXPECT_EQ(pair.second_begin, 4);
  EXPECT_EQ(roberta()->added_tokens(true), 4);
  EXPECT_EQ(roberta()->specials().pad, kPad);
  EXPECT_EQ(roberta()->specials().unknown, kUnknown);
}

TEST(Bpe, IsTheSameFromTokenizerJson) {
  Json whole = {
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", true}}},
      {"post_processor",
       {{"type", "RobertaProcessing"}, {"sep", {"</s>", kLast}}, {"cls", {"<s>", kFirst}}}},
      {"model", {{"type", "BPE"}, {"vocab", vocabulary()}}}};
  whole["model"]["merges"] = {"l o", Json::array({"lo", "w"}), "Ġ low", "e r"};
  auto made = load_tokenizer(Folder(Files{{"tokenizer.json", whole.dump()}}).path());
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_THAT((*made)->encode("lower", "", false, 9).ids,
              ElementsAre(kFirst, kSpaceLow, kEr, kLast));
}

TEST(Merges, MustBeTwoTokensOfTheVocabulary) {
  EXPECT_THAT(std::string(read_merge_lines("#version: 0.2\na b c\n").status().message()),
              HasSubstr("merges.txt: line 2 is 'a b c'"));
  EXPECT_THAT(std::string(read_merge_list(Json::parse("[\"a b\", 3]")).status().message()),
              HasSubstr("model.merges[1] is '3'"));
  auto known = Vocabulary::from_json(vocabulary(), "vocab.json");
  EXPECT_THAT(std::string(Bpe::make(*known, {{"l", "w"}}, {}).status().message()),
              HasSubstr("merge 1 ('l w') needs the token 'lw'"));
}

}  // namespace
}  // namespace espalier
