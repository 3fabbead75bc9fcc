#include "absl/strings/str_cat.h"
#include "core/data/dataset.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/text/folder.h"

namespace espalier {
namespace {

using testing::Files;
using ::testing::HasSubstr;

constexpr char kVocabularyOfThree[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\n";

absl::StatusOr<Splits> splits_of(const std::string& task, Files files,
                                 const std::map<std::string, std::string>& splits) {
  files["vocab.txt"] = kVocabularyOfThree;
  const testing::Folder folder(files);
  const auto tokenizer = *load_tokenizer(folder.path());
  DatasetSpec spec;
  spec.folder = folder.path();
  spec.task = task;
  spec.splits = splits;
  if (task == "fill-mask") spec.label_column = "";
  spec.label_names = inspect_dataset(spec)->label_names;
  Reading reading;
  reading.tokenizer = tokenizer.get();
  reading.max_length = 16;
  return load_splits(spec, **make_task(task, spec.label_names), reading);
}

std::string refusal(const absl::StatusOr<Splits>& splits) {
  return std::string(splits.status().message());
}

// Twelve texts of one line each.
std::string texts(const std::string& text) {
  std::string out = "text\n";
  for (int i = 0; i < 12; ++i) absl::StrAppend(&out, text, "\n");
  return out;
}

// Twenty questions, each with a context of its own that needs two windows.
std::string squad(const std::string& answers) {
  std::string out;
  for (int i = 0; i < 20; ++i) {
    absl::StrAppend(&out, i > 0 ? "," : "", R"({"context": "a b c a b c a b c a b c a b c )", i,
                    R"(", "qas": [{"question": "b", "id": ")", i, "\"", answers, "}]}");
  }
  return R"({"data": [{"paragraphs": [)" + out + "]}]}";
}

TEST(LoadSplits, CountsTextsWithoutAWordThatCouldBeAskedFor) {
  const auto splits = splits_of("fill-mask",
                                {{"train.tsv", texts("a b") + "x\ny\n"},
                                 {"select.tsv", texts("a")},
                                 {"calibrate.tsv", texts("b")},
                                 {"report.tsv", texts("c")}},
                                {{"train", "train.tsv"},
                                 {"select", "select.tsv"},
                                 {"calibrate", "calibrate.tsv"},
                                 {"report", "report.tsv"}});
  ASSERT_TRUE(splits.ok()) << splits.status();
  EXPECT_EQ(splits->train.size(), 12);
  EXPECT_EQ(splits->train.left_out, 2);
  EXPECT_EQ(splits->report.left_out, 0);
}

TEST(LoadSplits, SaysThatAFileHasNoWordToAskFor) {
  const auto splits =
      splits_of("fill-mask", {{"train.tsv", texts("a b")}, {"report.tsv", texts("x")}},
                {{"train", "train.tsv"}, {"report", "report.tsv"}});
  EXPECT_THAT(refusal(splits), HasSubstr("split 'report' has 12 rows, but none holds anything"));
}

TEST(LoadSplits, SaysThatATrainIsTooSmallToCarve) {
  const auto splits =
      splits_of("fill-mask", {{"train.tsv", "text\na\nb\n"}}, {{"train", "train.tsv"}});
  EXPECT_THAT(refusal(splits), HasSubstr("split 'select' has no rows: train has 2"));
}

TEST(LoadSplits, SaysThatTheContextsAreTooFewToCarve) {
  // Every question is about one context, which goes to the one split that has no file.
  std::string asked;
  for (int i = 0; i < 20; ++i) {
    absl::StrAppend(&asked, i > 0 ? "," : "", R"({"question": "b", "id": ")", i,
                    R"(", "answers": [{"text": "a", "answer_start": 0}]})");
  }
  const std::string train =
      R"({"data": [{"paragraphs": [{"context": "a b", "qas": [)" + asked + "]}]}]}";
  const std::string other = squad(R"(, "answers": [{"text": "a", "answer_start": 0}])");
  const auto splits = splits_of(
      "question-answering",
      {{"train.json", train}, {"select.json", other}, {"calibrate.json", other + " "}},
      {{"train", "train.json"}, {"select", "select.json"}, {"calibrate", "calibrate.json"}});
  EXPECT_THAT(refusal(splits), HasSubstr("whose questions stay together"));
}

TEST(LoadSplits, NamesTheQuestionThatHasNoAnswers) {
  const std::string answered = R"(, "answers": [{"text": "a", "answer_start": 0}])";
  const auto splits =
      splits_of("question-answering", {{"train.json", squad(answered)}, {"report.json", squad("")}},
                {{"train", "train.json"}, {"report", "report.json"}});
  EXPECT_THAT(refusal(splits), HasSubstr("split 'report', row 1: the question has no \"answers\""));
}

// Twenty rows of two classes.
std::string labelled_texts() {
  std::string out = "text\tlabel\n";
  for (int i = 0; i < 20; ++i) absl::StrAppend(&out, "a b\t", i % 2, "\n");
  return out;
}

TEST(LoadSplits, HaveRowsWithoutLabelsBesideTrain) {
  const auto splits = splits_of("text-classification",
                                {{"train.tsv", labelled_texts()}, {"more.tsv", "text\nc\na b c\n"}},
                                {{"train", "train.tsv"}, {"unlabelled", "more.tsv"}});
  ASSERT_TRUE(splits.ok()) << splits.status();
  EXPECT_EQ(splits->train.size(), 14);  // three tenths are carved, from train alone
  EXPECT_EQ(splits->unlabelled.size(), 2);
  EXPECT_EQ(splits->unlabelled.tokens(1), 5);
  EXPECT_FALSE(splits->unlabelled.targets.known(0));
  EXPECT_EQ(splits->each()[4], &splits->unlabelled);
}

TEST(LoadSplits, HaveQuestionsWithoutAnswersBesideTrain) {
  const std::string answered = R"(, "answers": [{"text": "a", "answer_start": 0}])";
  const auto splits =
      splits_of("question-answering", {{"train.json", squad(answered)}, {"more.json", squad("")}},
                {{"train", "train.json"}, {"unlabelled", "more.json"}});
  ASSERT_TRUE(splits.ok()) << splits.status();
  EXPECT_EQ(splits->unlabelled.size(), 40);  // windows
  EXPECT_FALSE(splits->unlabelled.targets.known(0));
}

TEST(LoadSplits, NeedNoLabelsToCalibrateClasses) {
  const Files files = {{"train.tsv", labelled_texts()}, {"c.tsv", "text\tlabel\nb\t\nc\t\n"}};
  const auto splits =
      splits_of("text-classification", files, {{"train", "train.tsv"}, {"calibrate", "c.tsv"}});
  ASSERT_TRUE(splits.ok()) << splits.status();
  EXPECT_EQ(splits->calibrate.size(), 2);
  EXPECT_FALSE(splits->calibrate.targets.known(0));
  EXPECT_THAT(
      refusal(splits_of("regression", files, {{"train", "train.tsv"}, {"calibrate", "c.tsv"}})),
      HasSubstr("split 'calibrate', row 1: there is no label; every row needs one; only classes"));
  EXPECT_THAT(refusal(splits_of("text-classification", files,
                                {{"train", "train.tsv"}, {"select", "c.tsv"}})),
              HasSubstr("split 'select', row 1: there is no label; every row needs one"));
}

}  // namespace
}  // namespace espalier
