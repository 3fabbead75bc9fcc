#include "core/task/question_answering.h"

#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/task/characters.h"

namespace espalier {
namespace {

using testing::Characters;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::unique_ptr<Task> answerer(std::vector<std::string> labels = {}) {
  return *make_task("question-answering", std::move(labels));
}

// Questions whose contexts are made of one-letter words, and what a model says of each window.
class Questions {
 public:
  explicit Questions(int max_length) {
    reading_.tokenizer = &tokenizer_, reading_.max_length = max_length;
  }

  // No answer: -1. Not known: -2.
  void ask(const std::string& question, const std::string& context, const std::string& answer,
           int begin) {
    const std::vector<std::string> answers(begin >= 0 ? 1 : 0, answer);
    const std::vector<int32_t> begins(answers.size(), begin);
    const std::vector<float> target(begin == -2 ? 0 : 1, begin >= 0 ? 1.0f : 0.0f);
    Sample sample;
    sample.text = question;
    sample.pair = context;
    sample.has_pair = true;
    sample.answers = answers;
    sample.answer_begins = begins;
    sample.target = target;
    auto windows = answerer()->encode(reading_, sample);
    ASSERT_TRUE(windows.ok()) << windows.status();
    examples.add(sample, *windows);
  }
  // The next window's model is sure of these tokens.
  void say(int start, int end, float logit = 5) {
    const auto tokens = static_cast<size_t>(examples.tokens(static_cast<int64_t>(said.size())));
    std::vector<float> logits(2 * tokens, 0);
    logits[2 * static_cast<size_t>(start)] = logits[2 * static_cast<size_t>(end) + 1] = logit;
    said.push_back({std::move(logits), 1});
  }
  std::vector<float> target(int64_t window) const {
    const auto target = examples.targets[window];
    return {target.begin(), target.end()};
  }

  Examples examples;
  std::vector<Prediction> said;

 private:
  Characters tokenizer_;
  Reading reading_;
};

// Of "a b c d e" behind the question "q" 12 tokens hold 8: tokens 3 to 10 of the first window.
TEST(QuestionAnswering, AimsAtTheAnswerInEveryWindowThatHoldsIt) {
  Questions questions(12);
  questions.ask("q", "a b c d e", "c d", 4);
  questions.ask("q", "a b c", "", -1);
  questions.ask("q", "a b c", "", -2);
  ASSERT_EQ(questions.examples.size(), 4);
  EXPECT_THAT(questions.target(0), ElementsAre(7, 9));
  EXPECT_THAT(questions.target(1), ElementsAre(3, 5));  // the window begins at the fifth letter
  EXPECT_THAT(questions.target(2), ElementsAre(0, 0));
  EXPECT_FALSE(questions.examples.targets.known(3));
  EXPECT_THAT(questions.examples.sample_of.items(), ElementsAre(0, 0, 1, 2));
  EXPECT_EQ(questions.examples.passages.text(0), "a b c d e");
  EXPECT_THAT(questions.examples.passages.answers_of(0), ElementsAre("c d"));
  EXPECT_THAT(questions.examples.passages.answers_of(1), ::testing::IsEmpty());
}

TEST(QuestionAnswering, NeedsAContext) {
  const Characters tokenizer;
  Reading reading;
  reading.tokenizer = &tokenizer;
  reading.max_length = 12;
  Sample sample;
  sample.text = "q";
  const auto refused = answerer()->encode(reading, sample);
  EXPECT_TRUE(absl::IsInvalidArgument(refused.status()));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("without its context"));
}

// "b c" for "b c"; "x y" for "y z", F1 1/2; one that is not known.
TEST(QuestionAnswering, CountsQuestionsByTheirBestWindow) {
  Questions questions(12);
  questions.ask("q", "k b c d e", "b c", 2);
  questions.ask("q", "x y z", "y z", 2);
  questions.ask("q", "x y z", "", -2);
  questions.say(5, 7);     // token 3 is the context's first
  questions.say(4, 4, 3);  // less sure
  questions.say(3, 5);
  questions.say(3, 3);
  const auto metrics = answerer()->evaluate(questions.said, questions.examples);
  ASSERT_EQ(metrics.size(), 2u);
  EXPECT_EQ(metrics[0].name, "f1");
  EXPECT_DOUBLE_EQ(metrics[0].value, 75);
  EXPECT_EQ(metrics[1].name, "exact_match");
  EXPECT_DOUBLE_EQ(metrics[1].value, 50);
  EXPECT_EQ(metrics[1].count, 2);
  EXPECT_EQ(metrics[1].interval, "clopper-pearson");
}

TEST(QuestionAnswering, AnswersNothingOnlyWhereThatIsALabel) {
  Questions questions(12);
  questions.ask("q", "x y z", "", -1);
  questions.say(0, 0);
  EXPECT_EQ(answerer({kNoAnswer})->figure(questions.said, questions.examples), 100);
  EXPECT_EQ(answerer()->figure(questions.said, questions.examples), 0);
}

TEST(QuestionAnswering, CountsLogitsThatAreNotFiniteAsWrong) {
  Questions questions(12);
  questions.ask("q", "x y z", "x", 0);
  questions.ask("q", "x y z", "", -1);
  questions.say(3, 3, std::numeric_limits<float>::infinity());
  questions.say(0, 0, std::numeric_limits<float>::quiet_NaN());
  const auto metrics = answerer({kNoAnswer})->evaluate(questions.said, questions.examples);
  EXPECT_EQ(metrics[0].value, 0);
  EXPECT_EQ(metrics[1].value, 0);
  EXPECT_EQ(metrics[1].count, 2);
}

}  // namespace
}  // namespace espalier
