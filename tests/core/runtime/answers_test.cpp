#include "core/runtime/answers.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace espalier::runtime {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Row asking(int words, bool with_logits) {
  Row out;
  for (int32_t place = 0; place < words; ++place) {
    out.input.ids.push_back(4);
    out.input.asked.push_back(place);
  }
  out.with_logits = with_logits;
  return out;
}

// Of n lines of 7 words, line i sure of word i % 7.
Trace trace_of(int64_t lines, int64_t rows) {
  Trace out;
  out.logits = at::one_hot(at::arange(lines, at::kLong) % 7, 7).to(at::kFloat) * 5;
  out.exit_layer = at::full({rows}, 3, at::kLong);
  return out;
}

std::vector<Answer> words_of(const Trace& trace, const std::vector<Row>& rows) {
  return answers_of(Objective::kWords, HeadKind::kMaskedLm, trace, rows);
}

TEST(WordAnswers, CarryLogitsOnlyForRowsThatAreToHaveThem) {
  Trace trace = trace_of(3, 2);
  trace.sentence_logits = torch::tensor({1.0f, 2.0f, 3.0f, 4.0f}).view({2, 2});
  const auto answers = words_of(trace, {asking(2, false), asking(1, true)});
  EXPECT_THAT(answers[0].logits, IsEmpty());
  EXPECT_THAT(answers[1].logits, ElementsAre(0, 0, 5, 0, 0, 0, 0));
  ASSERT_EQ(answers[0].words.size(), 2u);
  EXPECT_EQ(answers[0].words[1][0].id, 1);
  EXPECT_EQ(answers[1].words[0][0].id, 2);
  EXPECT_THAT(answers[1].sentence_logits, ElementsAre(3, 4));
  EXPECT_EQ(answers[1].exit_layer, 3);
}

TEST(WordAnswers, AreThoseOfEachLineHoweverManyThereAre) {
  const auto answers = words_of(trace_of(600, 1), {asking(600, false)});
  ASSERT_EQ(answers[0].words.size(), 600u);
  const double sure = std::exp(5.0) / (std::exp(5.0) + 6);
  for (int i = 0; i < 600; ++i) {
    const auto& guesses = answers[0].words[static_cast<size_t>(i)];
    ASSERT_EQ(guesses.size(), 5u);
    EXPECT_EQ(guesses[0].id, i % 7);
    EXPECT_NEAR(guesses[0].score, sure, 1e-6);
  }
}

}  // namespace
}  // namespace espalier::runtime
