#include "core/text/settings.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/text/folder.h"

namespace espalier {
namespace {

using testing::Files;
using ::testing::HasSubstr;

template <class Read>
auto read_with(Read read, const Files& files) -> decltype(read(TokenizerFiles())) {
  auto read_files = read_tokenizer_files(testing::Folder(files).path());
  if (!read_files.ok()) return read_files.status();
  return read(*read_files);
}

absl::StatusOr<BertSettings> bert(const Files& files) {
  auto settings = read_with(read_wordpiece_settings, files);
  if (!settings.ok()) return settings.status();
  return settings->text;
}

std::string message(const absl::Status& status) { return std::string(status.message()); }

TEST(Settings, LowerCaseAndStripAccentsWhenNothingIsSaid) {
  auto settings = bert({});
  ASSERT_TRUE(settings.ok());
  EXPECT_TRUE(settings->lower_case && settings->strip_accents && settings->clean &&
              settings->pad_cjk);
}

TEST(Settings, StripAccentsFollowLowerCaseUnlessSaid) {
  auto cased =
      bert({{"tokenizer_config.json", R"({"do_lower_case": false, "strip_accents": null})"}});
  EXPECT_FALSE(cased->lower_case || cased->strip_accents);
  auto mixed =
      bert({{"tokenizer_config.json", R"({"do_lower_case": false, "strip_accents": true})"}});
  EXPECT_TRUE(!mixed->lower_case && mixed->strip_accents);
}

TEST(Settings, ComeFromTokenizerJsonAndAreOverriddenByTheConfig) {
  const std::string whole =
      R"({"model": {"type": "WordPiece"}, "normalizer": {"type": "BertNormalizer",
    "clean_text": true, "handle_chinese_chars": false, "strip_accents": null, "lowercase": false}})";
  auto alone = bert({{"tokenizer.json", whole}});
  EXPECT_FALSE(alone->lower_case || alone->strip_accents || alone->pad_cjk);
  auto both =
      bert({{"tokenizer.json", whole}, {"tokenizer_config.json", R"({"do_lower_case": true})"}});
  EXPECT_TRUE(both->lower_case && both->strip_accents && !both->pad_cjk);
}

TEST(Settings, OfATokenizerWithoutNormalizerChangeNothing) {
  auto none = bert({{"tokenizer.json", R"({"normalizer": null})"}});
  EXPECT_FALSE(none->lower_case || none->strip_accents || none->pad_cjk || none->clean);
}

TEST(Settings, OfWordPieceComeWithTheModel) {
  auto settings =
      read_with(read_wordpiece_settings,
                {{"tokenizer.json", R"({"model": {"type": "WordPiece", "unk_token": "<unk>",
         "continuing_subword_prefix": "@@", "max_input_chars_per_word": 7}})"}});
  EXPECT_EQ(settings->unknown, "<unk>");
  EXPECT_EQ(settings->continuation, "@@");
  EXPECT_EQ(settings->max_characters_per_word, 7u);
}

TEST(Settings, RefuseWhatThisBuildDoesNotDo) {
  auto other =
      read_with(uses_byte_level_bpe, {{"tokenizer.json", R"({"model": {"type": "Unigram"}})"}});
  EXPECT_THAT(message(other.status()), HasSubstr("\"Unigram\"; this build knows: WordPiece, BPE"));
  auto digits = bert({{"tokenizer.json", R"({"pre_tokenizer": {"type": "Digits"}})"}});
  EXPECT_THAT(message(digits.status()), HasSubstr("this build knows: BertPreTokenizer"));
  EXPECT_FALSE(bert({{"tokenizer.json", R"({"normalizer": {"type": "NFC"}})"}}).ok());
  EXPECT_FALSE(bert({{"tokenizer_config.json", R"({"do_lower_case": "yes"})"}}).ok());
  EXPECT_FALSE(bert({{"tokenizer_config.json", "{"}}).ok());
  EXPECT_FALSE(bert({{"tokenizer_config.json", "[]"}}).ok());
}

TEST(Settings, RefuseOtherKindsOfBpe) {
  const auto with = [](const std::string& splitter, const std::string& model) {
    return read_with(read_bpe_settings, {{"tokenizer.json", R"({"pre_tokenizer": )" + splitter +
                                                                R"(, "model": )" + model + "}"}});
  };
  constexpr char kByteLevel[] = R"({"type": "ByteLevel", "add_prefix_space": true})";
  EXPECT_TRUE(
      with(kByteLevel, R"({"continuing_subword_prefix": "", "dropout": null})")->prefix_space);
  EXPECT_THAT(message(with(kByteLevel, R"({"dropout": 0.1})").status()),
              HasSubstr("model.dropout is 0.1"));
  EXPECT_THAT(message(with(R"({"type": "Metaspace"})", "{}").status()), HasSubstr("Metaspace"));
  EXPECT_FALSE(with(kByteLevel, R"({"end_of_word_suffix": "</w>"})").ok());
  EXPECT_FALSE(with(R"({"type": "ByteLevel", "use_regex": false})", "{}").ok());
}

TEST(SpecialNames, ComeFromTheFamilyUnlessAFileSaysThem) {
  const SpecialNames mpnet = read_special_names({}, TokenizerFamily::kMpnet);
  EXPECT_EQ(mpnet.unknown + mpnet.first + mpnet.separator, "[UNK]<s></s>");
  TokenizerFiles files;
  files.config = Json::parse(R"({"pad_token": {"content": "<nothing>"}})");
  files.names = Json::parse(R"({"pad_token": "<other>", "mask_token": "<gap>"})");
  const SpecialNames said = read_special_names(files, TokenizerFamily::kBert);
  EXPECT_EQ(said.pad + said.mask + said.unknown, "<nothing><gap>[UNK]");
}

}  // namespace
}  // namespace espalier
