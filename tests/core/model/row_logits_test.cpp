#include "core/model/row_logits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace espalier {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Of three tokens, two of which are asked for; of one token.
std::vector<Input> two_inputs() {
  std::vector<Input> out(2);
  out[0].ids = {5, 6, 7};
  out[0].asked = {0, 2};
  out[1].ids = {8};
  return out;
}

Tensor counting(int64_t rows) { return at::arange(2 * rows, at::kFloat).view({rows, 2}); }

TEST(RowLogits, AreAsManyLinesAsTheHeadGivesTheInput) {
  const std::vector<Input> inputs = two_inputs();
  RowLogits rows(HeadKind::kSequence, counting(2)), tokens(HeadKind::kToken, counting(4)),
      words(HeadKind::kMaskedLm, counting(3).to(at::kDouble));
  EXPECT_THAT(rows.next(inputs[0]), ElementsAre(0, 1));
  EXPECT_THAT(rows.next(inputs[1]), ElementsAre(2, 3));
  EXPECT_THAT(tokens.next(inputs[0]), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(tokens.next(inputs[1]), ElementsAre(6, 7));
  EXPECT_THAT(words.next(inputs[0]), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(words.next(inputs[1]), ElementsAre(4, 5));
}

TEST(RowLogits, AreNoneWhereTheWalkLeftNone) {
  RowLogits sentences(HeadKind::kSequence, {});
  EXPECT_THAT(sentences.next(two_inputs()[0]), IsEmpty());
}

TEST(RowLogits, OfSentencesStandBehindTheLines) {
  EXPECT_THAT(joined({1, 2}, {3, 4}), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(joined({1, 2}, {}), ElementsAre(1, 2));
}

}  // namespace
}  // namespace espalier
