#include "server/serving/answer_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/serving/infer_response.h"
#include "tests/server/serving/infer_testing.h"

namespace espalier::server {
namespace {

using ::testing::ElementsAre;

runtime::ModelInfo info_of(Objective objective, std::vector<std::string> labels) {
  runtime::ModelInfo info;
  info.objective = objective;
  info.label_names = std::move(labels);
  return info;
}

// Two tokens of two classes each.
runtime::Answer tagged_answer() {
  runtime::Answer answer;
  answer.logits = {0, 1, 1, 0};
  answer.probabilities = {0.25f, 0.75f, 0.5f, 0.5f};
  answer.label = -1;
  answer.labels = {1, 0};
  return answer;
}

TEST(AnswerText, IsANumberForRegression) {
  runtime::Answer answer;
  answer.logits = {2.5f};
  const auto info = info_of(Objective::kValue, {});
  EXPECT_EQ(label_text(info, answer, nullptr), "2.5");
  EXPECT_EQ(answer_json(info, answer, nullptr), R"({"value":2.5})");
}

TEST(AnswerText, ListsEveryLabelThatIsGiven) {
  runtime::Answer answer;
  answer.probabilities = {0.75f, 0.25f, 0.5f};
  answer.labels = {0, 2};
  const auto info = info_of(Objective::kLabels, {"a", "b", "c"});
  EXPECT_EQ(label_text(info, answer, nullptr), "a|c");
  EXPECT_EQ(answer_json(info, answer, nullptr),
            R"({"labels":[{"label":"a","score":0.75},{"label":"c","score":0.5}]})");
}

TEST(AnswerText, TagsTheWordsOfATextOrTheTokensOfIds) {
  const auto info = info_of(Objective::kTokenClasses, {"O", "B-X"});
  const std::vector<Word> words = {{0, 0, {2, 5}, "Ada"}};
  EXPECT_EQ(label_text(info, tagged_answer(), &words), "B-X");
  EXPECT_EQ(answer_json(info, tagged_answer(), &words),
            R"({"tags":[{"begin":2,"end":5,"score":0.75,"tag":"B-X","word":"Ada"}]})");
  EXPECT_EQ(label_text(info, tagged_answer(), nullptr), "B-X O");
  EXPECT_EQ(answer_json(info, tagged_answer(), nullptr),
            R"({"tags":[{"score":0.75,"tag":"B-X","token":0},{"score":0.5,"tag":"O","token":1}]})");
}

TEST(AnswerText, OfATextWithoutWordsHasNoTags) {
  const std::vector<Word> none;
  const auto info = info_of(Objective::kTokenClasses, {"O", "B-X"});
  EXPECT_EQ(label_text(info, tagged_answer(), &none), "");
  EXPECT_EQ(answer_json(info, tagged_answer(), &none), R"({"tags":[]})");
}

TEST(AnswerText, OfOneClassIsItsNameAndProbability) {
  runtime::Answer answer;
  answer.label = 1;
  answer.confidence = 0.75f;
  EXPECT_EQ(answer_json(info_of(Objective::kClass, {"no", "yes"}), answer, nullptr),
            R"({"label":"yes","score":0.75})");
}

TEST(InferResponse, FillsTokensOfShorterRowsUpWithZeros) {
  const ModelCard card{"m", "v", info_of(Objective::kTokenClasses, {"O", "B-X"})};
  runtime::Answer shorter = tagged_answer();
  shorter.logits = {5, 6};
  const std::vector<runtime::Answer> answers = {shorter, tagged_answer()};
  const std::vector<Output> outputs = {Output::kLogits};
  inference::ModelInferResponse response;
  fill_response(card, outputs, answers, false, &response);
  EXPECT_THAT(response.outputs(0).shape(), ElementsAre(2, 2, 2));
  EXPECT_THAT(values_of<float>(response.raw_output_contents(0)),
              ElementsAre(5, 6, 0, 0, 0, 1, 1, 0));
}

}  // namespace
}  // namespace espalier::server
