#include "core/text/added_tokens.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

std::vector<std::pair<std::string, int>> parts(std::vector<AddedToken> tokens,
                                               std::string_view text) {
  std::vector<std::pair<std::string, int>> out;
  AddedTokens(std::move(tokens)).split(text, [&](size_t begin, size_t end, int32_t id) {
    out.emplace_back(text.substr(begin, end - begin), id);
  });
  return out;
}

TEST(AddedTokens, AreCutOutOfTheText) {
  const std::vector<AddedToken> tokens = {{"[A]", 1}, {"[AB]", 2}, {"[A][", 3}};
  EXPECT_THAT(parts(tokens, "x[A]y[AB]"),
              ElementsAre(Pair("x", -1), Pair("[A]", 1), Pair("y", -1), Pair("[AB]", 2)));
  EXPECT_THAT(parts(tokens, "[A][A]"), ElementsAre(Pair("[A][", 3), Pair("A]", -1)));
  EXPECT_THAT(parts(tokens, "[a]"), ElementsAre(Pair("[a]", -1)));
  EXPECT_THAT(parts(tokens, ""), IsEmpty());
  EXPECT_THAT(parts({}, "[A]"), ElementsAre(Pair("[A]", -1)));
}

TEST(AddedTokens, TakeWhiteSpaceAlong) {
  const std::vector<AddedToken> tokens = {{.content = "<m>", .id = 1, .lstrip = true},
                                          {.content = "<n>", .id = 2, .rstrip = true}};
  EXPECT_THAT(parts(tokens, "a \u3000<m> b"),
              ElementsAre(Pair("a", -1), Pair(" \u3000<m>", 1), Pair(" b", -1)));
  EXPECT_THAT(parts(tokens, "<n>  <m>"), ElementsAre(Pair("<n>  ", 2), Pair("<m>", 1)));
  EXPECT_THAT(parts(tokens, "  <m>"), ElementsAre(Pair("  <m>", 1)));
}

TEST(AddedTokens, AreNotLookedForInWhiteSpaceThatIsTaken) {
  const std::vector<AddedToken> tokens = {{.content = "<n>", .id = 1, .rstrip = true},
                                          {.content = " ", .id = 2}};
  EXPECT_THAT(parts(tokens, "<n>  a "), ElementsAre(Pair("<n>  ", 1), Pair("a", -1), Pair(" ", 2)));
}

TEST(AddedTokens, StandAloneWhereAsked) {
  const std::vector<AddedToken> tokens = {{.content = "cat", .id = 1, .single_word = true}};
  EXPECT_THAT(parts(tokens, "cat, concat catty écat cat"),
              ElementsAre(Pair("cat", 1), Pair(", concat catty écat ", -1), Pair("cat", 1)));
}

}  // namespace
}  // namespace espalier
