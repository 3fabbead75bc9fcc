#include "core/text/byte_level.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> pieces(std::string_view text) {
  std::vector<std::string> out;
  for (size_t at = 0; at < text.size();) {
    const size_t end = gpt2_piece_end(text, at);
    out.emplace_back(text.substr(at, end - at));
    at = end;
  }
  return out;
}

// Expected values: regex.findall with GPT-2's pattern.
TEST(Gpt2Pattern, TakesOneSpaceAlong) {
  EXPECT_THAT(pieces("Hello my friend, 12 of 3x!"),
              ElementsAre("Hello", " my", " friend", ",", " 12", " of", " 3", "x", "!"));
  EXPECT_THAT(pieces("a   b"), ElementsAre("a", "  ", " b"));
  EXPECT_THAT(pieces("a \t\nb  "), ElementsAre("a", " \t", "\n", "b", "  "));
  EXPECT_THAT(pieces("\u00A0a \u3000 é½"), ElementsAre("\u00A0", "a", " \u3000", " é", "½"));
}

TEST(Gpt2Pattern, CutsContractions) {
  EXPECT_THAT(
      pieces("I'll he's we'Re 'tis don'ts"),
      ElementsAre("I", "'ll", " he", "'s", " we", "'", "Re", " '", "tis", " don", "'t", "s"));
  EXPECT_THAT(pieces("'"), ElementsAre("'"));
  EXPECT_THAT(pieces("''ve'l"), ElementsAre("''", "ve", "'", "l"));
}

TEST(ByteLevel, WritesEveryByteAsACharacter) {
  std::string bytes;
  EXPECT_TRUE(bytes_of_token("Ġaé", bytes));  // é stands for the byte E9
  EXPECT_EQ(bytes, " a\xE9");
  EXPECT_FALSE(bytes_of_token("a b", bytes));
  EXPECT_FALSE(bytes_of_token("中", bytes));
  EXPECT_EQ(character_of_byte('a'), 'a');
  EXPECT_EQ(character_of_byte('\n'), 0x10A);  // Ċ
  EXPECT_EQ(character_of_byte(0xAD), 0x143);
}

}  // namespace
}  // namespace espalier
