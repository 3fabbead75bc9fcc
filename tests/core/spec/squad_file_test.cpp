#include "core/spec/squad_file.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "tests/core/spec/scratch.h"

namespace espalier {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::Refuses;
using testing::Scratch;

absl::StatusOr<Rows> read(const std::string& content,
                          SquadAnswers answers = SquadAnswers::kOfEach) {
  const Scratch scratch;
  return read_squad(scratch.write("a.json", content), answers);
}

// One article of one paragraph, "Paul Šafařík was born in Kobeliarovo."
std::string of_questions(const std::string& questions) {
  return absl::StrCat(R"({"version": "1.1", "data": [{"title": "x", "paragraphs": [{"context": )",
                      R"("Paul \u0160afa\u0159\u00edk was born in Kobeliarovo.", "qas": [)",
                      questions, "]}]}]}");
}
std::string of_answers(const std::string& answers) {
  return of_questions(R"({"id": "q7", "question": "Who?", "answers": [)" + answers + "]}");
}
absl::Status refuse_squad(const std::string& content) { return read(content).status(); }

TEST(SquadFile, IsOneRowAQuestion) {
  auto rows = read(of_questions(
      R"({"id": "1", "question": "Who?", "answers": [{"text": "Šafařík", "answer_start": 5},
                                                     {"text": "Paul Šafařík", "answer_start": 0}]},
         {"id": "2", "question": "Where?", "answers": [{"text": "Kobeliarovo", "answer_start": 25}]})"));
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_THAT(rows->text, ElementsAre("Who?", "Where?"));
  EXPECT_EQ(rows->pair[0], "Paul Šafařík was born in Kobeliarovo.");
  EXPECT_EQ(rows->pair[1], rows->pair[0]);
  EXPECT_THAT(rows->answers[0].texts, ElementsAre("Šafařík", "Paul Šafařík"));
  EXPECT_THAT(rows->answers[0].begins, ElementsAre(5, 0));
  EXPECT_THAT(rows->answers[1].begins, ElementsAre(25));  // code points, not bytes
  EXPECT_THAT(rows->targets[1], ElementsAre(1));
}

TEST(SquadFile, KnowsQuestionsWithoutAnAnswer) {
  auto rows = read(of_questions(
      R"({"question": "Why?", "answers": [], "is_impossible": true, "plausible_answers": [{}]},
         {"question": "How?", "answers": []}, {"question": "When?", "is_impossible": true},
         {"question": "Who?", "answers": [{"text": "Paul", "answer_start": 0}],
          "is_impossible": false})"));
  ASSERT_TRUE(rows.ok()) << rows.status();
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(rows->answers[static_cast<size_t>(i)].texts, IsEmpty());
    EXPECT_THAT(rows->targets[i], ElementsAre(0));
  }
  EXPECT_THAT(rows->targets[3], ElementsAre(1));
}

TEST(SquadFile, MayLeaveOutAllAnswersButOfTrain) {
  const std::string content = of_questions(R"({"id": "a", "question": "Who?"})");
  EXPECT_FALSE(read(content, SquadAnswers::kOfAllOrNone)->targets.known(0));
  EXPECT_THAT(refuse_squad(content),
              Refuses("data[0].paragraphs[0].qas[0] (id \"a\"): has no answers; train needs them, "
                      "and questions without any can be the split unlabelled"));
  const std::string mixed =
      of_questions(R"({"question": "Who?", "answers": []}, {"question": "Where?"})");
  EXPECT_THAT(read(mixed, SquadAnswers::kOfAllOrNone).status(),
              Refuses("qas[1]: has no answers, but other questions"));
}

TEST(SquadFile, HasQuestionsOnlyWhereAnswersAreIgnored) {
  const auto rows = read(of_questions(R"({"question": "Who?"}, {"question": "Where?", "answers":
      [{"text": "nowhere", "answer_start": 3}], "is_impossible": true})"),
                         SquadAnswers::kIgnored);
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_THAT(rows->text, ElementsAre("Who?", "Where?"));
  EXPECT_FALSE(rows->targets.known(0) || rows->targets.known(1));
  EXPECT_THAT(rows->answers[1].texts, IsEmpty());
}

TEST(SquadFile, HoldsItsAnswersWhereItSays) {
  EXPECT_THAT(refuse_squad(of_answers(R"({"text": "Kobeliarovo", "answer_start": 28})")),
              Refuses("a.json: data[0].paragraphs[0].qas[0] (id \"q7\").answers[0]: the answer "
                      "\"Kobeliarovo\" does not stand at code point 28 of the context, which has "
                      "37; there stands \"eliarovo.\", and the answer stands at 25"));
  EXPECT_THAT(refuse_squad(of_answers(R"({"text": "paul", "answer_start": 0})")),
              Refuses("the answer is nowhere in it"));
  EXPECT_THAT(refuse_squad(of_answers(R"({"text": "Paul", "answer_start": 2000000000})")),
              Refuses("there stands \"\", and the answer stands at 0"));
  EXPECT_THAT(refuse_squad(of_answers(R"({"text": ".x", "answer_start": 36})")),
              Refuses("nowhere"));
}

TEST(SquadFile, NamesWhatIsWrong) {
  EXPECT_THAT(refuse_squad("[]"), Refuses("a.json: this must be an object"));
  EXPECT_THAT(refuse_squad("{}"), Refuses("a.json: data is missing"));
  EXPECT_THAT(refuse_squad("{\"data\": {}}"), Refuses("data must be a list, found an object"));
  EXPECT_THAT(refuse_squad("{\"data\": [{}]}"), Refuses("data[0].paragraphs is missing"));
  EXPECT_THAT(refuse_squad("{\"data\": [{\"paragraphs\": [{\"qas\": []}]}]}"),
              Refuses("data[0].paragraphs[0].context is missing"));
  EXPECT_THAT(refuse_squad(of_questions("3")), Refuses("qas[0] must be an object"));
  EXPECT_THAT(refuse_squad(of_questions("{\"answers\": []}")),
              Refuses("qas[0].question is missing"));
  EXPECT_THAT(refuse_squad(of_questions("{\"question\": \"\", \"answers\": []}")),
              Refuses("qas[0].question is empty"));
  EXPECT_THAT(refuse_squad(of_answers("{\"text\": \"Paul\"}")), Refuses("answer_start is missing"));
  EXPECT_THAT(refuse_squad(of_answers(R"({"text": 5, "answer_start": 0})")),
              Refuses("answers[0].text must be a string, found 5"));
  EXPECT_THAT(refuse_squad(of_answers(R"({"text": "Paul", "answer_start": -1})")),
              Refuses("answer_start is -1"));
  EXPECT_THAT(refuse_squad(of_answers(R"({"text": "", "answer_start": 0})")),
              Refuses("text is empty"));
  EXPECT_THAT(
      refuse_squad(of_questions(R"({"question": "Who?", "answers": [], "is_impossible": false})")),
      Refuses("is_impossible is false, but there are 0 answers"));
  EXPECT_THAT(
      refuse_squad(of_questions(R"({"question": "Who?", "answers": [], "is_impossible": 1})")),
      Refuses("is_impossible must be true or false"));
}

TEST(SquadFile, IsRefusedWhenItIsNoneOrTooLarge) {
  EXPECT_THAT(refuse_squad(""), Refuses("is empty; it must be JSON"));
  EXPECT_THAT(refuse_squad("{\"data\": [\xFF]}"), Refuses("is not JSON"));
  EXPECT_THAT(refuse_squad(std::string(200000, '[')), Refuses("is not JSON"));
  EXPECT_THAT(refuse_squad(of_questions(absl::StrCat(
                  "{\"question\": \"", std::string(kMaxSquadTextBytes + 1, 'x'), "\"}"))),
              Refuses("question has 262145 bytes; at most 262144"));
  const Scratch scratch;
  const std::string large = scratch.write("a.json", "{}");
  std::filesystem::resize_file(large, kMaxSquadBytes + 1);
  EXPECT_THAT(read_squad(large, SquadAnswers::kOfEach).status(),
              Refuses("at most 268435456 are taken"));
}

// The same context for 5000 questions: half a megabyte that would become 1.2 GiB.
TEST(SquadFile, DoesNotGrowWithoutBound) {
  std::string questions = R"({"question": "x", "answers": []})";
  for (int i = 1; i < 5000; ++i) questions += R"(,{"question": "x", "answers": []})";
  const std::string content =
      absl::StrCat("{\"data\": [{\"paragraphs\": [{\"context\": \"",
                   std::string(kMaxSquadTextBytes, 'x'), "\", \"qas\": [", questions, "]}]}]}");
  EXPECT_THAT(
      refuse_squad(content),
      Refuses("paragraphs[0]: with this paragraph the contexts, one a question, have 1310720000 "));
}

}  // namespace
}  // namespace espalier
