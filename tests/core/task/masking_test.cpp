#include "core/task/masking.h"

#include <algorithm>
#include <numeric>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/text/folder.h"

namespace espalier {
namespace {

using ::testing::Each;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// 0 to 4 are special, 4 is the mask; words are 5 to 999.
const MaskVocabulary kWords = {1000, 4, {0, 1, 2, 3, 4}};

// [CLS], `words` words that differ, [SEP].
std::vector<int32_t> row_of(int words, int first = 5) {
  std::vector<int32_t> ids(static_cast<size_t>(words) + 2);
  std::iota(ids.begin() + 1, ids.end(), first);
  ids.front() = 2;
  ids.back() = 3;
  return ids;
}

TEST(Masking, AsksForFifteenPercentOfTheWords) {
  EXPECT_THAT(draw_masks(row_of(100), kWords, 1).asked, SizeIs(15));
  EXPECT_THAT(draw_masks(row_of(11), kWords, 1).asked, SizeIs(2));  // 1.65
  EXPECT_THAT(draw_masks(row_of(2), kWords, 1).asked, SizeIs(1));   // 0.3, but one at least
}

TEST(Masking, HidesEightOfTenAndChangesOne) {
  int asked = 0, hidden = 0, kept = 0;
  for (uint64_t seed = 0; seed < 500; ++seed) {
    const Masked row = draw_masks(row_of(100), kWords, seed);
    for (size_t k = 0; k < row.asked.size(); ++k) {
      const int32_t id = row.ids[static_cast<size_t>(row.asked[k])];
      ++asked;
      hidden += id == kWords.mask;
      kept += id == row.words[k];
    }
  }
  // 7,500 words: four standard deviations are 1.9 and 1.4 points.
  EXPECT_NEAR(hidden / static_cast<double>(asked), 0.8, 0.019);
  EXPECT_NEAR(kept / static_cast<double>(asked), 0.1, 0.014);
}

TEST(Masking, AsksForEveryPlaceAlikeOften) {
  std::vector<int> times(20);
  for (uint64_t seed = 0; seed < 4000; ++seed) {
    for (const int32_t place : draw_masks(row_of(20), kWords, seed).asked)
      ++times[static_cast<size_t>(place) - 1];
  }
  // 3 of 20 in 4,000 rows: 600 times, with a standard deviation of 23.
  EXPECT_THAT(times, Each(::testing::AllOf(::testing::Gt(500), ::testing::Lt(700))));
}

TEST(Masking, LeavesSpecialTokensAlone) {
  std::vector<int32_t> ids = row_of(30);
  ids[7] = 1;
  ids[9] = kWords.mask;  // of the text itself
  for (uint64_t seed = 0; seed < 200; ++seed) {
    const Masked row = draw_masks(ids, kWords, seed);
    for (size_t k = 0; k < row.asked.size(); ++k) {
      EXPECT_TRUE(kWords.is_word(row.words[k]));
      const int32_t id = row.ids[static_cast<size_t>(row.asked[k])];
      EXPECT_TRUE(id == kWords.mask || kWords.is_word(id));
    }
  }
}

// [KEY] is called special, and none of the five that have a name; [NEW] is a word.
TEST(Masking, TakesNoAddedSpecialTokenForAWord) {
  const auto tokenizer = *load_tokenizer(
      testing::Folder(
          testing::Files{{"vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n[KEY]\n"},
                         {"tokenizer_config.json", R"({"added_tokens_decoder": {
                             "4": {"content": "[MASK]", "special": true},
                             "6": {"content": "[KEY]", "special": true},
                             "7": {"content": "[NEW]", "special": false}}})"}})
          .path());
  const MaskVocabulary vocabulary = mask_vocabulary(*tokenizer, 100);
  EXPECT_THAT(vocabulary.special, ::testing::ElementsAre(0, 1, 2, 3, 4, 6));
  EXPECT_EQ(vocabulary.mask, 4);
  EXPECT_FALSE(vocabulary.is_word(6));
  EXPECT_TRUE(vocabulary.is_word(7));
}

TEST(Masking, ChangesNothingElse) {
  const Masked row = draw_masks(row_of(50), kWords, 3);
  EXPECT_TRUE(std::is_sorted(row.asked.begin(), row.asked.end()));
  std::vector<int32_t> ids = row.ids;
  for (size_t k = 0; k < row.asked.size(); ++k)
    ids[static_cast<size_t>(row.asked[k])] = row.words[k];
  EXPECT_THAT(ids, ElementsAreArray(row_of(50)));
}

TEST(Masking, DependsOnTheSeedAndTheRow) {
  const Masked row = draw_masks(row_of(50), kWords, 3);
  EXPECT_EQ(draw_masks(row_of(50), kWords, 3).ids, row.ids);
  EXPECT_NE(draw_masks(row_of(50), kWords, 4).asked, row.asked);
  EXPECT_NE(draw_masks(row_of(50, 6), kWords, 3).asked, row.asked);
}

TEST(Masking, AsksForNothingWhereThereIsNoWord) {
  const Masked row = draw_masks(std::vector<int32_t>{2, 1, 3}, kWords, 1);
  EXPECT_THAT(row.asked, IsEmpty());
  EXPECT_THAT(row.ids, ::testing::ElementsAre(2, 1, 3));
}

}  // namespace
}  // namespace espalier
