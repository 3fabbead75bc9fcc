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

RowAnswer of_ids(const runtime::Answer& answer) { return {std::span(&answer, 1), nullptr}; }

TEST(AnswerText, IsANumberForRegression) {
  runtime::Answer answer;
  answer.logits = {2.5f};
  const auto info = info_of(Objective::kValue, {});
  EXPECT_EQ(label_text(info, of_ids(answer)), "2.5");
  EXPECT_EQ(answer_json(info, of_ids(answer)), R"({"value":2.5})");
}

TEST(AnswerText, ListsEveryLabelThatIsGiven) {
  runtime::Answer answer;
  answer.probabilities = {0.75f, 0.25f, 0.5f};
  answer.labels = {0, 2};
  const auto info = info_of(Objective::kLabels, {"a", "b", "c"});
  EXPECT_EQ(label_text(info, of_ids(answer)), "a|c");
  EXPECT_EQ(answer_json(info, of_ids(answer)),
            R"({"labels":[{"label":"a","score":0.75},{"label":"c","score":0.5}]})");
}

TEST(AnswerText, TagsTheWordsOfATextOrTheTokensOfIds) {
  const auto info = info_of(Objective::kTokenClasses, {"O", "B-X"});
  const runtime::Answer tagged = tagged_answer();
  ReadRow read;
  read.windows.emplace_back().words = {{0, 0, {2, 5}, "Ada"}};
  const RowAnswer row{std::span(&tagged, 1), &read};
  EXPECT_EQ(label_text(info, row), "B-X");
  EXPECT_EQ(answer_json(info, row),
            R"({"tags":[{"begin":2,"end":5,"score":0.75,"tag":"B-X","word":"Ada"}]})");
  EXPECT_EQ(label_text(info, of_ids(tagged)), "B-X O");
  EXPECT_EQ(answer_json(info, of_ids(tagged)),
            R"({"tags":[{"score":0.75,"tag":"B-X","token":0},{"score":0.5,"tag":"O","token":1}]})");
}

TEST(AnswerText, OfATextWithoutWordsHasNoTags) {
  const runtime::Answer tagged = tagged_answer();
  ReadRow read;
  read.windows.resize(1);
  const RowAnswer row{std::span(&tagged, 1), &read};
  const auto info = info_of(Objective::kTokenClasses, {"O", "B-X"});
  EXPECT_EQ(label_text(info, row), "");
  EXPECT_EQ(answer_json(info, row), R"({"tags":[]})");
}

TEST(AnswerText, OfOneClassIsItsNameAndProbability) {
  runtime::Answer answer;
  answer.label = 1;
  answer.confidence = 0.75f;
  EXPECT_EQ(answer_json(info_of(Objective::kClass, {"no", "yes"}), of_ids(answer)),
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
