#include "core/task/squad.h"

#include "gtest/gtest.h"

namespace espalier {
namespace {

using Answers = std::vector<std::string>;

TEST(NormaliseAnswer, LowersAndDropsMarksArticlesAndSpaces) {
  EXPECT_EQ(normalise_answer("  The U.S.  Army,\tan  ARMY "), "us army army");
  EXPECT_EQ(normalise_answer("Theatre and an-other A"), "theatre and another");
  EXPECT_EQ(normalise_answer("the a an ..."), "");
  EXPECT_EQ(normalise_answer(""), "");
}

TEST(NormaliseAnswer, KnowsUnicodeAsPythonDoes) {
  EXPECT_EQ(normalise_answer("ΟΔΟΣ ÉCOLE"), "οδος école");  // a final sigma
  EXPECT_EQ(normalise_answer("a–b\u00a0“the”"), "–b “ ”");  // only ASCII's marks go
  EXPECT_EQ(normalise_answer("a\u0301 b"), "\u0301 b");     // a mark ends the word "a"
  EXPECT_EQ(normalise_answer("x\x1cy\u3000z"), "x y z");
  EXPECT_EQ(normalise_answer("a \xff\xfe b"), "\xff\xfe b");  // not UTF-8
}

TEST(SquadScore, TakesTheBestOfSeveralAnswers) {
  const Answers answers = {"the red fox", "Red Fox of York"};
  const SquadScore exact = score_answer("a red fox!", answers, SquadVersion::kV1);
  EXPECT_EQ(exact.exact, 1);
  EXPECT_EQ(exact.f1, 1);
  // Tokens "fox of york": 1 of 3 and 2, and 3 of 3 and 4.
  const SquadScore part = score_answer("fox of York", answers, SquadVersion::kV1);
  EXPECT_EQ(part.exact, 0);
  EXPECT_NEAR(part.f1, 2 * 1 * 0.75 / 1.75, 1e-15);
}

TEST(SquadScore, CountsARepeatedTokenAsOftenAsBothHaveIt) {
  EXPECT_NEAR(score_answer("no no no", Answers{"no no yes"}, SquadVersion::kV1).f1, 2 / 3.0, 1e-15);
  EXPECT_EQ(score_answer("maybe", Answers{"no"}, SquadVersion::kV1).f1, 0);
}

TEST(SquadScore, VersionsDifferInEmptyAnswers) {
  EXPECT_EQ(score_answer("the", Answers{"a"}, SquadVersion::kV1).exact, 1);
  EXPECT_EQ(score_answer("the", Answers{"a"}, SquadVersion::kV1).f1, 0);
  EXPECT_EQ(score_answer("the", Answers{"a"}, SquadVersion::kV2).f1, 1);
  EXPECT_EQ(score_answer("", Answers{}, SquadVersion::kV2).exact, 1);
  EXPECT_EQ(score_answer("fox", Answers{}, SquadVersion::kV2).f1, 0);
  EXPECT_EQ(score_answer("", Answers{"the", "fox"}, SquadVersion::kV2).exact, 0);
  EXPECT_EQ(score_answer("", Answers{}, SquadVersion::kV1).exact, 0);
}

// Surest first: right, wrong where there is none, half right, silent where there is none.
std::vector<SquadQuestion> four_questions() {
  return {{"fox", {"fox"}, 0.1}, {"dog", {}, 0.2}, {"red fox", {"red cow"}, 0.3}, {"", {}, 0.9}};
}

TEST(EvaluateSquad, SplitsByWhetherThereIsAnAnswer) {
  const SquadReport report = evaluate_squad(four_questions(), SquadVersion::kV2);
  EXPECT_EQ(report.total.count, 4);
  EXPECT_NEAR(report.total.exact, 2 / 4.0, 1e-15);
  EXPECT_NEAR(report.total.f1, 2.5 / 4, 1e-15);
  EXPECT_NEAR(report.has_answer.f1, 0.75, 1e-15);
  EXPECT_NEAR(report.no_answer.exact, 0.5, 1e-15);
  EXPECT_EQ(report.scores[2].f1, 0.5);
}

TEST(EvaluateSquad, SilencesQuestionsAboveTheThreshold) {
  const SquadReport report = evaluate_squad(four_questions(), SquadVersion::kV2, 0.15);
  EXPECT_NEAR(report.total.exact, 3 / 4.0, 1e-15);
  EXPECT_EQ(report.has_answer.f1, 0.5);
  EXPECT_EQ(evaluate_squad(four_questions(), SquadVersion::kV1, 0.15).has_answer.f1, 0.75);
  EXPECT_EQ(evaluate_squad({}, SquadVersion::kV2).total.exact, 0);
}

TEST(BestThresholds, AreWhereTheFigureWouldHaveBeenHighest) {
  const SquadThresholds best = best_thresholds(four_questions());
  EXPECT_NEAR(best.exact, 3 / 4.0, 1e-15);
  EXPECT_EQ(best.exact_threshold, 0.1);
  EXPECT_NEAR(best.f1, 3 / 4.0, 1e-15);
  EXPECT_EQ(best.f1_threshold, 0.1);
  EXPECT_EQ(best_thresholds({}).exact, 0);
}

}  // namespace
}  // namespace espalier
