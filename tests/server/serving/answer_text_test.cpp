#include "server/serving/answer_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/base/options.h"
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

// Two masks of two guesses each.
runtime::Answer filled_answer() {
  runtime::Answer answer;
  answer.logits = {0, 1, 2, 3, 4, 5};
  answer.label = -1;
  answer.words = {{{7, 0.75f, " film"}, {8, 0.25f, "##s"}},
                  {{9, 0.5f, "good"}, {7, 0.25f, " film"}}};
  return answer;
}

TEST(AnswerText, OfMasksIsTheirBestWords) {
  const auto info = info_of(Objective::kWords, {});
  EXPECT_EQ(label_text(info, of_ids(filled_answer())), "film good");
  EXPECT_EQ(Json::parse(answer_json(info, of_ids(filled_answer()))).at("masks").at(1),
            Json::parse(R"({"words": [{"word": "good", "score": 0.5},
                                      {"word": " film", "score": 0.25}]})"));
}

TEST(AnswerText, OfMasksInATextSaysWhereTheyStand) {
  ReadRow read;
  read.windows.emplace_back();
  read.windows[0].words = {{0, 2, {4, 10}, {}}, {1, 6, {0, 6}, {}}};
  runtime::Answer answer = filled_answer();
  answer.sentence_logits = {1, 1};
  const RowAnswer row = {std::span(&answer, 1), &read};
  const Json json = Json::parse(answer_json(info_of(Objective::kWords, {"0", "1"}), row));
  EXPECT_EQ(json.at("follows"), 0.5);
  EXPECT_EQ(json.at("masks").at(0).at("begin"), 4);
  EXPECT_EQ(json.at("masks").at(0).at("end"), 10);
  EXPECT_FALSE(json.at("masks").at(0).contains("in"));
  EXPECT_EQ(json.at("masks").at(1).at("in"), "text_pair");
}

TEST(InferResponse, HasALineOfLogitsForEveryMask) {
  ModelCard card{"m", "v", info_of(Objective::kWords, {})};
  card.info.vocabulary = 3;
  runtime::Answer shorter = filled_answer();
  shorter.logits = {6, 7, 8};
  const std::vector<runtime::Answer> answers = {filled_answer(), shorter};
  const std::vector<Output> outputs = {Output::kLogits};
  inference::ModelInferResponse response;
  fill_response(card, outputs, answers, false, &response);
  EXPECT_THAT(response.outputs(0).shape(), ElementsAre(2, 2, 3));
  EXPECT_THAT(values_of<float>(response.raw_output_contents(0)),
              ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0));
}

// The question "q" and the context "Ada came", a token a word, in two windows of one word each.
class Answered {
 public:
  Answered() {
    read.sample.pair = "Ad\xC3\xA1 came";
    for (const Span place : {Span{0, 3}, Span{4, 8}}) {
      read.windows.emplace_back().places = {{-1, -1}, {-1, -1}, {-1, -1}, place, {-1, -1}};
      windows.emplace_back().logits.assign(10, 0);
      windows.back().probabilities.assign(10, 0.2f);
      windows.back().exit_layer = 3;
    }
  }
  // Start and end of the window's word.
  void say(size_t window, float logit) {
    windows[window].logits[6] = windows[window].logits[7] = logit;
  }
  RowAnswer row(const runtime::ModelInfo& info) const { return row_answer(info, windows, &read); }

  ReadRow read;
  std::vector<runtime::Answer> windows;
};

TEST(AnswerText, IsTheSpanOfTheBestWindow) {
  const auto info = info_of(Objective::kSpan, {});
  Answered question;
  question.say(0, 1);
  question.say(1, 1.5);
  EXPECT_EQ(label_text(info, question.row(info)), "came");
  const Json json = Json::parse(answer_json(info, question.row(info)));
  EXPECT_EQ(json.at("answer"), "came");
  EXPECT_EQ(json.at("begin"), 4);  // code points
  EXPECT_EQ(json.at("end"), 8);
  EXPECT_NEAR(json.at("score").get<double>(), 1 / (1 + std::exp(-1.0)), 1e-6);
  EXPECT_NEAR(confidence_of(info, question.row(info)), 1 / (1 + std::exp(-1.0)), 1e-6);
  question.say(0, 2);
  EXPECT_EQ(label_text(info, question.row(info)), "Ad\xC3\xA1");
}

TEST(AnswerText, IsEmptyWhereNoAnswerIsAnAnswer) {
  Answered question;
  for (runtime::Answer& window : question.windows) window.logits[0] = window.logits[1] = 9;
  const auto info = info_of(Objective::kSpan, {kNoAnswer});
  EXPECT_EQ(label_text(info, question.row(info)), "");
  const Json json = Json::parse(answer_json(info, question.row(info)));
  EXPECT_EQ(json.at("answer"), "");
  EXPECT_EQ(json.at("end"), 0);
  EXPECT_GT(json.at("score").get<double>(), 0.9);
  const auto certain = info_of(Objective::kSpan, {});
  EXPECT_NE(label_text(certain, question.row(certain)), "");
}

// The likeliest token is of the question; the context is token 3 alone.
TEST(AnswerText, OfAQuestionAsIdsCountsTokensOfTheContext) {
  Answered question;
  question.say(0, 5);
  question.windows[0].logits[2] = question.windows[0].logits[3] = 9;
  ReadRow read;
  read.is_ids = true;
  read.windows.emplace_back().places = {{-1, -1}, {-1, -1}, {-1, -1}, {3, 4}, {-1, -1}};
  const auto info = info_of(Objective::kSpan, {});
  const RowAnswer row = row_answer(info, std::span(question.windows).first(1), &read);
  EXPECT_EQ(label_text(info, row), "3 3");
  const Json json = Json::parse(answer_json(info, row));
  EXPECT_EQ(json.at("first_token"), 3);
  EXPECT_EQ(json.at("last_token"), 3);
}

TEST(InferResponse, PutsTheWindowsOfARowBehindOneAnother) {
  const ModelCard card{"m", "v", info_of(Objective::kSpan, {})};
  Answered question;
  question.say(1, 7);
  const std::vector<Output> outputs = {Output::kLogits, Output::kExitLayer, Output::kLabel};
  inference::ModelInferResponse response;
  fill_response(card, outputs, question.windows, false, &response, std::span(&question.read, 1));
  EXPECT_THAT(response.outputs(0).shape(), ElementsAre(1, 10, 2));
  EXPECT_EQ(values_of<float>(response.raw_output_contents(0)).at(16), 7);
  EXPECT_THAT(response.outputs(1).shape(), ElementsAre(1));
  EXPECT_THAT(values_of<int32_t>(response.raw_output_contents(1)), ElementsAre(3));
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
