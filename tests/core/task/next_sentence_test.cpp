#include "core/task/next_sentence.h"

#include <numeric>

#include "gtest/gtest.h"
#include "tests/testing/texts.h"

namespace espalier {
namespace {

// Row i is followed by the text "i".
Rows rows_with_followers(int64_t count) {
  Rows out;
  for (int64_t i = 0; i < count; ++i) out.pair.add(std::to_string(i));
  return out;
}

TEST(NextSentence, IsAnotherRowsHalfOfTheTime) {
  const Rows rows = rows_with_followers(4000);
  std::vector<int64_t> among(2000);
  std::iota(among.begin(), among.end(), 1000);
  int random = 0;
  for (size_t place = 0; place < among.size(); ++place) {
    const SecondText second = draw_second_text(rows, among, place);
    EXPECT_EQ(second.label == NextSentence::kFollows, second.row == among[place]);
    EXPECT_TRUE(second.row >= 1000 && second.row < 3000);
    random += second.label == NextSentence::kRandom;
  }
  EXPECT_NEAR(random, 1000, 90);  // four standard deviations
}

TEST(NextSentence, IsTheSameInEveryJob) {
  const Rows rows = rows_with_followers(50);
  const std::vector<int64_t> among = {3, 14, 15, 9, 26};
  for (size_t place = 0; place < among.size(); ++place) {
    EXPECT_EQ(draw_second_text(rows, among, place).row, draw_second_text(rows, among, place).row);
  }
}

TEST(NextSentence, FollowsWhereOnlyThatTextIsThere) {
  const Rows rows = rows_with_followers(3);
  const std::vector<int64_t> one = {1};
  EXPECT_EQ(draw_second_text(rows, one, 0).label, NextSentence::kFollows);
  Rows alike;
  alike.pair = testing::texts({"so", "so", "so", "so", "so", "so", "so", "so"});
  const std::vector<int64_t> all = {0, 1, 2, 3, 4, 5, 6, 7};
  for (size_t place = 0; place < all.size(); ++place)
    EXPECT_EQ(draw_second_text(alike, all, place).label, NextSentence::kFollows);
}

}  // namespace
}  // namespace espalier
