#include "core/text/settings.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/text/folder.h"

namespace espalier {
namespace {

using testing::Files;
using ::testing::HasSubstr;

absl::StatusOr<BertSettings> read(const Files& files) {
  return read_bert_settings(testing::Folder(files).path());
}

TEST(Settings, LowerCaseAndStripAccentsWhenNothingIsSaid) {
  auto settings = read({});
  ASSERT_TRUE(settings.ok());
  EXPECT_TRUE(settings->lower_case && settings->strip_accents && settings->clean &&
              settings->pad_cjk);
}

TEST(Settings, StripAccentsFollowLowerCaseUnlessSaid) {
  auto cased =
      read({{"tokenizer_config.json", R"({"do_lower_case": false, "strip_accents": null})"}});
  EXPECT_FALSE(cased->lower_case || cased->strip_accents);
  auto mixed =
      read({{"tokenizer_config.json", R"({"do_lower_case": false, "strip_accents": true})"}});
  EXPECT_TRUE(!mixed->lower_case && mixed->strip_accents);
}

TEST(Settings, ComeFromTokenizerJsonAndAreOverriddenByTheConfig) {
  const std::string whole =
      R"({"model": {"type": "WordPiece"}, "normalizer": {"type": "BertNormalizer",
    "clean_text": true, "handle_chinese_chars": false, "strip_accents": null, "lowercase": false}})";
  auto alone = read({{"tokenizer.json", whole}});
  EXPECT_FALSE(alone->lower_case || alone->strip_accents || alone->pad_cjk);
  auto both =
      read({{"tokenizer.json", whole}, {"tokenizer_config.json", R"({"do_lower_case": true})"}});
  EXPECT_TRUE(both->lower_case && both->strip_accents && !both->pad_cjk);
}

TEST(Settings, RefuseOtherTokenizers) {
  auto status = read({{"tokenizer.json", R"({"model": {"type": "BPE"}})"}}).status();
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("model.type is \"BPE\"; this build knows: WordPiece"));
  EXPECT_FALSE(read({{"tokenizer_config.json", R"({"do_lower_case": "yes"})"}}).ok());
  EXPECT_FALSE(read({{"tokenizer_config.json", "{"}}).ok());
}

}  // namespace
}  // namespace espalier
