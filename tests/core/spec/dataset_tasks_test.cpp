// Label columns of every task, and the real data sets that they are for.
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "core/spec/dataset_spec.h"
#include "core/spec/tasks.h"
#include "tests/core/spec/scratch.h"

namespace espalier {
namespace {

using ::testing::ElementsAre;
using testing::Refuses;
using testing::Scratch;

// One train split of a task.
class TaskFile {
 public:
  TaskFile(const std::string& task, const std::string& name, const std::string& content) {
    scratch_.write(name, content);
    spec.folder = scratch_.path();
    spec.splits["train"] = name;
    spec.task = task;
  }
  Rows rows() const {
    auto out = read_split(spec, "train");
    EXPECT_TRUE(out.ok()) << out.status();
    return out.ok() ? *std::move(out) : Rows();
  }
  absl::Status refuse() const { return inspect_dataset(spec).status(); }
  void add(const std::string& split, const std::string& name, const std::string& content) {
    scratch_.write(name, content);
    spec.splits[split] = name;
  }
  DatasetSpec spec;

 private:
  Scratch scratch_;
};

std::vector<float> target(const Rows& rows, int64_t i) {
  return {rows.targets[i].begin(), rows.targets[i].end()};
}

TEST(TokenData, AsksForEveryWordOfItsUnlabelledSplit) {
  TaskFile file("token-classification", "a.jsonl", "{\"text\": \"a b\", \"label\": \"O X\"}\n");
  file.add("unlabelled", "b.jsonl",
           "{\"text\": [\"c\", \"d\"], \"label\": \"Y\"}\n{\"text\": \"e\"}\n");
  const auto rows = read_split(file.spec, "unlabelled");
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_THAT(target(*rows, 0), ElementsAre(kUnknownClass, kUnknownClass));
  EXPECT_THAT(target(*rows, 1), ElementsAre(kUnknownClass));
}

TEST(RegressionData, HoldsANumberInEveryRow) {
  TaskFile file("regression", "a.tsv", "text\tlabel\na\t5.000\nb\t-1e-1\n");
  Rows rows = file.rows();
  EXPECT_THAT(target(rows, 0), ElementsAre(5));
  EXPECT_THAT(target(rows, 1), ElementsAre(-0.1f));
  EXPECT_TRUE(inspect_dataset(file.spec)->label_names.empty());
  for (const char* cell : {"nan", "inf", "1e60", "much", "1,5"}) {
    EXPECT_THAT(TaskFile("regression", "a.tsv", absl::StrCat("text\tlabel\na\t1\nb\t", cell, "\n"))
                    .refuse(),
                Refuses(absl::StrCat("row 2, column label: \"", cell, "\" is no finite number")));
  }
}

// "Who?", which the context answers, and "Why?", which it may not answer.
std::string squad(const std::string& second) {
  return R"({"data": [{"paragraphs": [{"context": "Paul came.", "qas": [
      {"question": "Who?", "answers": [{"text": "Paul", "answer_start": 0}]},
      {"question": "Why?", "answers": [)" +
         second + "]}]}]}]}";
}

TEST(QuestionData, IsASquadFile) {
  TaskFile file("question-answering", "a.json", squad(""));
  Rows rows = file.rows();
  EXPECT_THAT(rows.text, ElementsAre("Who?", "Why?"));
  EXPECT_THAT(rows.pair, ElementsAre("Paul came.", "Paul came."));
  EXPECT_THAT(rows.answers[0].texts, ElementsAre("Paul"));
  EXPECT_THAT(target(rows, 0), ElementsAre(1));
  EXPECT_THAT(target(rows, 1), ElementsAre(0));
  EXPECT_EQ(inspect_dataset(file.spec)->rows.at("train"), 2);
}

TEST(QuestionData, NamesNoAnswerWhereTrainHasIt) {
  TaskFile without("question-answering", "a.json", squad(""));
  EXPECT_THAT(inspect_dataset(without.spec)->label_names, ElementsAre(kNoAnswer));
  TaskFile all("question-answering", "a.json", squad(R"({"text": "came", "answer_start": 5})"));
  EXPECT_TRUE(inspect_dataset(all.spec)->label_names.empty());
  all.spec.label_names = {kNoAnswer};
  EXPECT_THAT(inspect_dataset(all.spec)->label_names, ElementsAre(kNoAnswer));
}

TEST(QuestionData, AndSquadFilesGoTogether) {
  EXPECT_THAT(TaskFile("question-answering", "a.jsonl", "{}").refuse(),
              Refuses("a.jsonl: question-answering reads SQuAD's JSON; the extension .json or "
                      "FORMAT_SQUAD would work"));
  EXPECT_THAT(TaskFile("text-classification", "a.json", squad("")).refuse(),
              Refuses("a.json: a SQuAD file is for question-answering, and the task is "
                      "text-classification; .tsv, .csv, .jsonl or .parquet would work"));
  TaskFile named("question-answering", "a.data", squad(""));
  named.spec.format = TableFormat::kSquad;
  EXPECT_EQ(named.rows().size(), 2);
}

TEST(QuestionData, HasNoColumnsAndNoOtherLabels) {
  const auto read = [](const std::string& fields) {
    return read_dataset_spec(Json::parse(R"({"splits": [{"name": "train", "path": "a.json"}],
                               "task": "question-answering", )" +
                                         fields + "}"),
                             "/data")
        .status();
  };
  EXPECT_TRUE(read(R"("format": "FORMAT_SQUAD", "metric": "exact_match")").ok());
  EXPECT_TRUE(read(R"("label_names": ["no answer"])").ok());
  EXPECT_THAT(read(R"("label_names": ["yes", "no"])"), Refuses("\"no answer\" alone"));
  EXPECT_THAT(read(R"("text_pair_column": "context")"), Refuses("have no columns"));
  EXPECT_THAT(read(R"("text_column": "question")"), Refuses("text_column is set"));
  EXPECT_THAT(read(R"("label_column": "answer")"), Refuses("label_column is set"));
  EXPECT_TRUE(read(R"("text_column": "text", "label_column": "label")").ok());
  EXPECT_THAT(read(R"("metric": "accuracy")"), Refuses("can be judged by: f1, exact_match"));
  EXPECT_THAT(read(R"("format": "FORMAT_TSV")"), Refuses("FORMAT_SQUAD would work"));
}

TEST(MultiLabelData, HoldsAListOrNamesWithBarsBetweenThem) {
  TaskFile lists("multi-label-classification", "a.jsonl",
                 "{\"text\": \"x\", \"label\": [\"b\", \"a\"]}\n"
                 "{\"text\": \"y\", \"label\": []}\n{\"text\": \"z\", \"label\": \"c|b\"}\n");
  Rows rows = lists.rows();
  EXPECT_THAT(inspect_dataset(lists.spec)->label_names, ElementsAre("a", "b", "c"));
  EXPECT_THAT(target(rows, 0), ElementsAre(1, 1, 0));
  EXPECT_THAT(target(rows, 1), ElementsAre(0, 0, 0));
  EXPECT_THAT(target(rows, 2), ElementsAre(0, 1, 1));
  TaskFile cells("multi-label-classification", "a.tsv", "text\tlabel\nx\ta|b\ny\t\n");
  EXPECT_THAT(target(cells.rows(), 1), ElementsAre(0, 0));
}

TEST(TokenData, HoldsALabelForEveryWord) {
  TaskFile lists("token-classification", "a.jsonl",
                 "{\"text\": [\"Ada\", \"lives\"], \"label\": [\"B-PER\", \"O\"]}\n"
                 "{\"text\": \"in Rome\", \"label\": \"O B-LOC\"}\n");
  Rows rows = lists.rows();
  EXPECT_THAT(rows.words[0], ElementsAre("Ada", "lives"));
  EXPECT_THAT(rows.words[1], ElementsAre("in", "Rome"));
  EXPECT_THAT(target(rows, 1), ElementsAre(2, 0));  // B-LOC, B-PER, O
  EXPECT_EQ(rows.size(), 2);
}

TEST(TokenData, NamesTheRowWhoseLengthsDisagree) {
  EXPECT_THAT(TaskFile("token-classification", "a.tsv", "text\tlabel\na b\tO X\nc d\tO\n").refuse(),
              Refuses("row 2, column label: there are 1 labels for the 2 words of column text"));
  EXPECT_THAT(
      TaskFile("token-classification", "a.jsonl", R"({"text": ["a", 3], "label": ["O", "X"]})")
          .refuse(),
      Refuses("row 1, column text: text must be a string"));
  EXPECT_THAT(
      TaskFile("text-classification", "a.jsonl", R"({"text": "a", "label": ["O"]})").refuse(),
      Refuses("row 1, column label: a list is no label"));
}

TEST(WordsData, NeedsNoLabels) {
  TaskFile file("fill-mask", "a.tsv", "text\na b\nc\n");
  file.spec.label_column = "";
  Rows rows = file.rows();
  EXPECT_THAT(rows.text, ElementsAre("a b", "c"));
  EXPECT_THAT(target(rows, 1), ElementsAre(-1));
  EXPECT_FALSE(rows.pairs_follow);
  EXPECT_TRUE(inspect_dataset(file.spec)->label_names.empty());
}

TEST(WordsData, HoldsTextsAndWhatFollowsThem) {
  TaskFile file("fill-mask", "a.tsv", "text\tthen\tnext\na\tb\t1\nc\td\t0\n");
  file.spec.text_pair_column = "then";
  file.spec.label_column = "";
  EXPECT_THAT(file.rows().pair, ElementsAre("b", "d"));
  EXPECT_TRUE(file.rows().pairs_follow);
  EXPECT_THAT(target(file.rows(), 0), ElementsAre(-1));
  EXPECT_THAT(inspect_dataset(file.spec)->label_names, ElementsAre("0", "1"));
  file.spec.label_column = "next";
  EXPECT_FALSE(file.rows().pairs_follow);
  EXPECT_THAT(target(file.rows(), 0), ElementsAre(1));
}

TEST(ColumnNames, StandForAHeader) {
  TaskFile file("text-classification", "a.tsv", "x\t1\t*\tFirst row.\ny\t0\t\tSecond.\n");
  file.spec.column_names = {"source", "label", "mark", "text"};
  Rows rows = file.rows();
  EXPECT_THAT(rows.text, ElementsAre("First row.", "Second."));
  EXPECT_THAT(target(rows, 0), ElementsAre(1));
  file.spec.column_names.pop_back();
  file.spec.text_column = "source";
  EXPECT_THAT(file.refuse(), Refuses("row 1 has 4 cells, but column_names has 3 names"));
}

absl::Status refused(const std::string& fields) {
  return read_dataset_spec(
             Json::parse(R"({"splits": [{"name": "train", "path": "a.tsv"}], )" + fields + "}"),
             "/data")
      .status();
}

TEST(DatasetSpec, ChecksWhatTheTaskWants) {
  EXPECT_TRUE(refused(R"("task": "regression", "metric": "spearman")").ok());
  EXPECT_TRUE(refused(R"("task": "fill-mask")").ok());
  EXPECT_TRUE(
      refused(R"("task": "fill-mask", "text_pair_column": "b", "label_names": ["0", "1"])").ok());
  const std::string by_sentences = R"("task": "fill-mask", "metric": "next_sentence_accuracy")";
  EXPECT_TRUE(refused(by_sentences + R"(, "text_pair_column": "b")").ok());
  EXPECT_THAT(refused(by_sentences), Refuses("can be judged by: masked_accuracy"));
  EXPECT_THAT(refused(R"("task": "fill-mask", "label_column": "label")"),
              Refuses("set text_pair_column too"));
  EXPECT_THAT(refused(R"("task": "fill-mask", "label_names": ["0", "1"])"),
              Refuses("none without text_pair_column"));
  EXPECT_THAT(refused(R"("task": "regression", "metric": "f1")"),
              Refuses("metric is \"f1\"; this data set can be judged by: pearson, spearman"));
  EXPECT_THAT(refused(R"("task": "regression", "label_names": ["a", "b"])"),
              Refuses("the labels of regression are numbers"));
  EXPECT_THAT(refused(R"("label_names": ["a", "b", "c"], "metric": "f1")"),
              Refuses("accuracy, macro_f1, matthews"));
  EXPECT_THAT(refused(R"("task": "token-classification", "text_pair_column": "b")"),
              Refuses("reads single texts"));
  EXPECT_THAT(refused(R"("column_names": ["text", "text"])"), Refuses("one twice"));
  EXPECT_THAT(refused(R"("column_names": ["text", "x"])"),
              Refuses("column_names has no label; it has: text, x"));
  EXPECT_THAT(refused(R"("task": "poetry")"), Refuses("known: text-classification, regression"));
}

ModelConfig head_of(HeadKind head, int classes, ProblemType problem = ProblemType::kUnstated) {
  ModelConfig config;
  config.head = head;
  config.classes = classes;
  config.problem = problem;
  return config;
}

TEST(Tasks, AreToldByTheHead) {
  EXPECT_EQ(*task_of(head_of(HeadKind::kToken, 5)), "token-classification");
  EXPECT_EQ(*task_of(head_of(HeadKind::kMaskedLm, 0)), "fill-mask");
  EXPECT_EQ(*task_of(head_of(HeadKind::kSequence, 3)), "text-classification");
  EXPECT_EQ(*task_of(head_of(HeadKind::kSequence, 1)), "regression");
  ModelConfig images = head_of(HeadKind::kSequence, 1);
  images.image_size = 8;
  EXPECT_EQ(*task_of(images), "image-classification");
}

TEST(Tasks, AreToldByTheProblemWhereHeadsAreAlike) {
  const auto asked = [](int classes, ProblemType problem) {
    return task_of(head_of(HeadKind::kSequence, classes, problem));
  };
  EXPECT_EQ(*asked(1, ProblemType::kSingleLabel), "text-classification");
  EXPECT_EQ(*asked(1, ProblemType::kMultiLabel), "multi-label-classification");
  EXPECT_EQ(*asked(3, ProblemType::kMultiLabel), "multi-label-classification");
  EXPECT_EQ(*asked(1, ProblemType::kRegression), "regression");
  EXPECT_THAT(asked(3, ProblemType::kRegression).status(), Refuses("the head has 3 outputs"));
  ModelConfig images = head_of(HeadKind::kSequence, 3, ProblemType::kMultiLabel);
  images.image_size = 8;
  EXPECT_THAT(task_of(images).status(), Refuses("single_label_classification"));
}

TEST(Tasks, HaveTheProblemOfTheirAnswer) {
  for (const char* task : {"text-classification", "regression", "multi-label-classification"}) {
    const ProblemType problem = problem_of(find_task(task)->objective);
    EXPECT_EQ(*task_of(head_of(HeadKind::kSequence, 1, problem)), task);
  }
  EXPECT_EQ(problem_of(Objective::kSpan), ProblemType::kUnstated);
}

TEST(Tasks, KnowLabelsThatMarkEntities) {
  EXPECT_TRUE(mark_entities({"B-PER", "I-PER", "O"}));
  EXPECT_FALSE(mark_entities({"NOUN", "VERB", "O"}));
  EXPECT_FALSE(mark_entities({"O"}));
  EXPECT_THAT(deciding_metrics(Objective::kTokenClasses, {"B-X", "O"}),
              ElementsAre("entity_f1", "token_accuracy"));
}

// A folder of the shared data; the test is skipped where it is absent.
class SharedData : public ::testing::Test {
 protected:
  DatasetSpec spec_of(const std::string& name, const std::string& task) {
    const char* set = std::getenv("ESPALIER_DATA");
    DatasetSpec spec;
    spec.folder = std::string(set != nullptr ? set : "../shared/data") + "/" + name;
    spec.splits = {{"train", "train.tsv"}, {"report", "dev.tsv"}};
    spec.task = task;
    return spec;
  }
  static bool is_absent(const DatasetSpec& spec) {
    return !std::filesystem::exists(spec.folder + "/train.tsv");
  }
};

TEST_F(SharedData, StsBIsARegression) {
  DatasetSpec spec = spec_of("stsb", "regression");
  if (is_absent(spec)) GTEST_SKIP() << spec.folder << " is absent";
  spec.text_column = "sentence1";
  spec.text_pair_column = "sentence2";
  auto facts = inspect_dataset(spec);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->rows.at("train"), 5749);
  EXPECT_EQ(facts->rows.at("report"), 1500);
  EXPECT_EQ(read_split(spec, "report")->targets[0][0], 5);
}

TEST_F(SharedData, ColaHasNoHeaderAndIsJudgedByMatthews) {
  DatasetSpec spec = spec_of("cola", "text-classification");
  if (is_absent(spec)) GTEST_SKIP() << spec.folder << " is absent";
  spec.column_names = {"source", "label", "mark", "sentence"};
  spec.text_column = "sentence";
  spec.metric = "matthews";
  auto facts = inspect_dataset(spec);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->rows.at("train"), 8551);
  EXPECT_EQ(facts->rows.at("report"), 1043);
  EXPECT_THAT(facts->label_names, ElementsAre("0", "1"));
}

TEST_F(SharedData, RteHasPairsAndLabelsThatAreWords) {
  DatasetSpec spec = spec_of("rte", "text-classification");
  if (is_absent(spec)) GTEST_SKIP() << spec.folder << " is absent";
  spec.text_column = "sentence1";
  spec.text_pair_column = "sentence2";
  auto facts = inspect_dataset(spec);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->rows.at("train"), 2490);
  EXPECT_THAT(facts->label_names, ElementsAre("entailment", "not_entailment"));
}

TEST_F(SharedData, MrpcHasABomAndIsJudgedByF1) {
  DatasetSpec spec = spec_of("mrpc", "text-classification");
  if (is_absent(spec)) GTEST_SKIP() << spec.folder << " is absent";
  spec.label_column = "Quality";
  spec.text_column = "#1 String";
  spec.text_pair_column = "#2 String";
  spec.metric = "f1";
  auto facts = inspect_dataset(spec);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->rows.at("train"), 3668);
  EXPECT_EQ(facts->rows.at("report"), 408);
}

}  // namespace
}  // namespace espalier
