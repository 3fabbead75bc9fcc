#include "core/task/squad_answers.h"

#include <cmath>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

using ::testing::HasSubstr;

// [CLS] q [SEP] and words of two code points each, a space between: "ab cd ef ...".
struct Window {
  Window(std::vector<float> start_logits, std::vector<float> end_logits, int first_word = 0)
      : start(std::move(start_logits)),
        end(std::move(end_logits)),
        places(start.size(), Span{-1, -1}) {
    for (size_t t = 3; t < places.size(); ++t) {
      const int begin = 3 * (first_word + static_cast<int>(t) - 3);
      places[t] = {begin, begin + 2};
    }
  }
  operator AnswerWindow() const { return {start, end, places}; }
  std::vector<float> start, end;
  std::vector<Span> places;
};

AnsweredQuestion answer(std::vector<AnswerWindow> windows, AnswerOptions options = {}) {
  auto answered = answer_question(windows, options);
  EXPECT_TRUE(answered.ok()) << answered.status();
  return *std::move(answered);
}

std::string text_of(const SpanAnswer& answer) {
  return std::string(code_points("ab cd ef gh", answer.span));
}

TEST(AnswerQuestion, TakesTheBestPairOfStartAndEnd) {
  const Window window({9, 9, 9, 1, 5, 0}, {9, 9, 9, 0, 2, 4});
  const AnsweredQuestion answered = answer({window});
  EXPECT_EQ(text_of(answered.best), "cd ef");
  EXPECT_EQ(answered.best.score, 9);
  ASSERT_EQ(answered.n_best.size(), 6u);  // begins not after it ends, all in the context
  EXPECT_EQ(text_of(answered.n_best[1]), "cd");
  double sum = 0;
  for (const SpanAnswer& one : answered.n_best) sum += one.probability;
  EXPECT_NEAR(sum, 1, 1e-12);
  EXPECT_NEAR(answered.n_best[1].probability / answered.best.probability, std::exp(-2.0), 1e-12);
}

TEST(AnswerQuestion, KeepsToLengthAndNumber) {
  const Window window({0, 0, 0, 6, 5, 0}, {0, 0, 0, 0, 2, 4});
  EXPECT_EQ(text_of(answer({window}, {.max_length = 2}).best), "cd ef");
  EXPECT_EQ(text_of(answer({window}, {.max_length = 3}).best), "ab cd ef");
  EXPECT_EQ(answer({window}, {.n_best = 1}).n_best.size(), 1u);
}

TEST(AnswerQuestion, BreaksTiesByWindowAndPosition) {
  const Window first({0, 0, 0, 1, 1}, {0, 0, 0, 1, 1}), second = first;
  const AnsweredQuestion answered = answer({first, second});
  EXPECT_EQ(text_of(answered.n_best[0]), "ab");
  EXPECT_EQ(text_of(answered.n_best[1]), "ab cd");
  EXPECT_EQ(text_of(answered.n_best[2]), "cd");
  EXPECT_EQ(text_of(answered.n_best[3]), "ab");
}

TEST(AnswerQuestion, LooksThroughAllWindows) {
  const Window first({0, 0, 0, 1}, {0, 0, 0, 1}), second({0, 0, 0, 2}, {0, 0, 0, 2}, 3);
  EXPECT_EQ(text_of(answer({first, second}).best), "gh");
}

TEST(AnswerQuestion, SaysNothingWhereEveryWindowWantsTo) {
  const Window sure({4, 0, 0, 1}, {4, 0, 0, 1}), unsure({1, 0, 0, 1}, {2, 0, 0, 1});
  const AnsweredQuestion none = answer({sure, unsure}, {.may_be_none = true});
  EXPECT_TRUE(none.best.none());
  EXPECT_EQ(none.none_minus_best, 1);  // 3 of the less sure window against 2
  const AnsweredQuestion kept = answer({sure, unsure}, {.may_be_none = true, .none_threshold = 1});
  EXPECT_EQ(text_of(kept.best), "ab");
  EXPECT_FALSE(answer({sure}).best.none());
}

TEST(AnswerQuestion, ListsNoAnswerEvenWhenItIsNotAmongTheBest) {
  const Window window({-9, 0, 0, 1, 1}, {-9, 0, 0, 1, 1});
  const AnsweredQuestion answered = answer({window}, {.n_best = 2, .may_be_none = true});
  ASSERT_EQ(answered.n_best.size(), 3u);
  EXPECT_TRUE(answered.n_best[2].none());
}

TEST(AnswerQuestion, AnswersNothingWhereNoPairIsAllowed) {
  const Window window({0, 5, 5, 0}, {0, 5, 5, 0});
  const AnsweredQuestion answered = answer({window}, {.n_best = 1, .may_be_none = true});
  EXPECT_TRUE(answered.best.none());
  EXPECT_EQ(answered.none_minus_best, INFINITY);
  EXPECT_TRUE(answer({}).best.none());
  EXPECT_TRUE(answer({}).n_best.empty());
}

TEST(AnswerQuestion, RefusesWhatItCannotRead) {
  auto message = [](const AnswerWindow& window, AnswerOptions options = {}) {
    return std::string(answer_question(std::vector{window}, options).status().message());
  };
  Window good({0, 0, 0, 1}, {0, 0, 0, 1}), bad = good, short_one = good;
  bad.end[2] = NAN;
  short_one.end.pop_back();
  EXPECT_THAT(message(bad), HasSubstr("window 0, token 2"));
  EXPECT_THAT(message(short_one), HasSubstr("4 start logits, 3 end logits"));
  EXPECT_THAT(message(good, {.n_best = 0}), HasSubstr("1 to 100 would work"));
  EXPECT_THAT(message(good, {.max_length = 0}), HasSubstr("at least 1"));
}

TEST(CodePoints, CutUtf8ByCharacters) {
  EXPECT_EQ(code_points("aé漢😀z", {1, 4}), "é漢😀");
  EXPECT_EQ(code_points("aé", {1, 9}), "é");
  EXPECT_EQ(code_points("aé", {0, 0}), "");
  EXPECT_EQ(code_points("", {0, 3}), "");
}

}  // namespace
}  // namespace espalier
