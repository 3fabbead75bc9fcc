#include "core/spec/dataset_spec.h"

#include <arrow/api.h>
#include <arrow/io/api.h>
#include <parquet/arrow/writer.h>

#include "tests/core/spec/scratch.h"

namespace espalier {
namespace {

using ::testing::ElementsAre;
using testing::Refuses;
using testing::Scratch;

// The first number of every target; -1 where it is not known.
std::vector<float> numbers(const Rows& rows) {
  std::vector<float> out;
  for (int64_t i = 0; i < rows.targets.size(); ++i)
    out.push_back(rows.targets.known(i) ? rows.targets[i][0] : -1);
  return out;
}

// One file as the train split.
class OneFile {
 public:
  OneFile(const std::string& name, const std::string& content) {
    scratch_.write(name, content);
    spec.folder = scratch_.path();
    spec.splits["train"] = name;
  }
  absl::StatusOr<Rows> rows() const { return read_split(spec, "train"); }
  absl::Status refuse() const { return rows().status(); }
  void add(const std::string& split, const std::string& name, const std::string& content) {
    scratch_.write(name, content);
    spec.splits[split] = name;
  }
  const std::string& path() const { return scratch_.path(); }
  DatasetSpec spec;

 private:
  Scratch scratch_;
};

TEST(Tsv, TakesQuotesLiterallyAndSkipsABom) {
  OneFile file("a.tsv", "\xEF\xBB\xBFtext\tlabel\r\n\"un\"ended \\ quote\t0\r\nsecond, \"x\t1\r\n");
  auto rows = file.rows();
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_THAT(rows->text, ElementsAre("\"un\"ended \\ quote", "second, \"x"));
  EXPECT_THAT(numbers(*rows), ElementsAre(0, 1));
}

TEST(Tsv, KeepsTextThatLooksLikeSomethingElse) {
  OneFile file("a.tsv", "id\ttext\tlabel\n1\t007\tNA\n2\tnull\tN/A\n3\t\tNA\n4\ttrue\t\xC3\xA9\n");
  auto rows = file.rows();
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_THAT(rows->text, ElementsAre("007", "null", "", "true"));
  EXPECT_THAT(numbers(*rows), ElementsAre(1, 0, 1, 2));
}

TEST(Csv, FollowsTheRulesOfQuoting) {
  OneFile file("a.csv", "label,text\nx,\"a, \"\"b\"\"\nand more\"\ny,plain\n");
  auto rows = file.rows();
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_THAT(rows->text, ElementsAre("a, \"b\"\nand more", "plain"));
  EXPECT_THAT(numbers(*rows), ElementsAre(0, 1));
}

TEST(JsonLines, TakeLabelsOfAnyKind) {
  OneFile file("a.jsonl",
               "{\"text\": \"a\", \"label\": 2}\n\n{\"text\": \"b\\n\", \"label\": 10, \"x\": "
               "[1]}\r\n{\"label\": 2, \"text\": \"\"}");
  auto rows = file.rows();
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_THAT(rows->text, ElementsAre("a", "b\n", ""));
  EXPECT_THAT(numbers(*rows),
              ElementsAre(0, 1, 0));  // 2 before 10: labels that are numbers sort as numbers
  OneFile other("a.jsonl",
                "{\"text\": \"a\", \"label\": true}\n{\"text\": \"b\", \"label\": 0.5}\n");
  EXPECT_THAT(inspect_dataset(other.spec)->label_names, ElementsAre("0.5", "true"));
}

TEST(JsonLines, NameTheRowThatIsWrong) {
  EXPECT_THAT(OneFile("a.jsonl", "{\"text\": \"a\", \"label\": 1}\n{\"text\": \n").refuse(),
              Refuses("row 2 is not a JSON object"));
  EXPECT_THAT(OneFile("a.jsonl", "{\"text\": \"a\", \"label\": 1}\n{\"text\": \"a\"}\n").refuse(),
              Refuses("row 2: has no column label; columns found: text"));
  EXPECT_THAT(OneFile("a.jsonl", "{\"text\": null, \"label\": 1}\n").refuse(),
              Refuses("row 1, column text: the text is null"));
  EXPECT_THAT(OneFile("a.jsonl", "{\"text\": 3, \"label\": 1}\n").refuse(),
              Refuses("row 1, column text: text must be a string"));
  EXPECT_THAT(OneFile("a.jsonl", "{\"text\": \"\xFF\", \"label\": 1}\n").refuse(),
              Refuses("row 1 is not UTF-8"));
  EXPECT_THAT(OneFile("a.jsonl", std::string(100000, '[') + "\n").refuse(), Refuses("row 1"));
}

TEST(Parquet, IsReadWithItsTypes) {
  OneFile file("a.parquet", "");
  arrow::StringBuilder text;
  arrow::Int16Builder label;
  arrow::StringDictionaryBuilder pair;
  ASSERT_TRUE(text.AppendValues({"a", "b", "c"}).ok());
  ASSERT_TRUE(label.AppendValues({1, -1, 1}).ok());
  for (const char* value : {"p", "q", "p"}) ASSERT_TRUE(pair.Append(value).ok());
  const arrow::ArrayVector columns = {*text.Finish(), *pair.Finish(), *label.Finish()};
  const auto schema = arrow::schema({arrow::field("text", columns[0]->type()),
                                     arrow::field("pair", columns[1]->type()),
                                     arrow::field("label", columns[2]->type())});
  auto table = arrow::Table::Make(schema, columns);
  auto out = *arrow::io::FileOutputStream::Open(file.path() + "/a.parquet");
  ASSERT_TRUE(parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), out).ok());
  ASSERT_TRUE(out->Close().ok());
  file.spec.text_pair_column = "pair";
  auto rows = file.rows();
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_THAT(rows->text, ElementsAre("a", "b", "c"));
  EXPECT_THAT(rows->pair, ElementsAre("p", "q", "p"));
  EXPECT_THAT(numbers(*rows), ElementsAre(1, 0, 1));
  file.spec.text_column = "label";
  EXPECT_THAT(file.refuse(), Refuses("column label holds int16; text must be strings"));
  file.spec.text_column = "sentence";
  EXPECT_THAT(file.refuse(), Refuses("columns found: text, pair, label"));
}

TEST(Parquet, ThatIsNoneIsRefused) {
  EXPECT_THAT(OneFile("a.parquet", "PAR1 but not really").refuse(), Refuses("a.parquet"));
  EXPECT_THAT(OneFile("a.parquet", "").refuse(), Refuses("a.parquet"));
}

TEST(Tables, NameFileRowAndColumn) {
  EXPECT_THAT(OneFile("a.tsv", "sentence\tlabel\nx\t1\n").refuse(),
              Refuses("a.tsv: has no column text; columns found: sentence, label"));
  EXPECT_THAT(OneFile("a.tsv", "text\tlabel\nx\t1\ny\t1\t2\n").refuse(),
              Refuses("a.tsv: row 2 has 3 cells, but the header names 2 columns"));
  EXPECT_THAT(OneFile("a.tsv", "text\tlabel\nx\t1\ny\xFF\t1\n").refuse(),
              Refuses("a.tsv: row 2, column text: the text is not UTF-8"));
  EXPECT_THAT(OneFile("a.tsv", "text\tlabel\nx\t1\ny\t\n").refuse(),
              Refuses("row 2, column label: the label is empty"));
  EXPECT_THAT(OneFile("a.tsv", "").refuse(), Refuses("a.tsv"));
  OneFile unknown("a.tsv", "text\tlabel\nx\tpos\ny\tpso\n");
  unknown.spec.label_names = {"neg", "pos"};
  EXPECT_THAT(unknown.refuse(),
              Refuses("row 2, column label: unknown label \"pso\"; known: neg, pos"));
  EXPECT_THAT(OneFile("a.txt", "x").refuse(), Refuses("known: .tsv, .csv, .jsonl, .parquet"));
  OneFile gone("a.tsv", "");
  gone.spec.splits["train"] = "b.tsv";
  EXPECT_FALSE(gone.rows().ok());
}

TEST(Dataset, TakesItsLabelsFromTrain) {
  OneFile file("train.tsv", "text\tlabel\na\tx\nb\tz\nc\ty\n");
  file.add("report", "report.tsv", "text\tlabel\na\tz\n");
  EXPECT_THAT(numbers(*read_split(file.spec, "report")), ElementsAre(2));
  auto facts = inspect_dataset(file.spec);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_THAT(facts->label_names, ElementsAre("x", "y", "z"));
  EXPECT_EQ(facts->rows.at("train"), 3);
  EXPECT_EQ(facts->rows.at("report"), 1);
  file.add("select", "select.tsv", "text\tlabel\na\tw\n");
  EXPECT_THAT(inspect_dataset(file.spec).status(),
              Refuses("select.tsv: row 1, column label: unknown label \"w\"; known: x, y, z"));
}

TEST(Dataset, MayHaveASplitWithoutLabels) {
  OneFile file("train.tsv", "text\tlabel\na\tx\nb\ty\n");
  file.add("report", "report.tsv", "text\tlabel\na\t\nb\t\n");
  EXPECT_THAT(numbers(*read_split(file.spec, "report")), ElementsAre(-1, -1));
  EXPECT_TRUE(absl::IsNotFound(read_split(file.spec, "select").status()));
}

TEST(Dataset, IgnoresTheLabelsOfItsUnlabelledSplit) {
  OneFile file("train.tsv", "text\tlabel\na\tx\nb\ty\n");
  for (const char* content : {"text\nc\nd\n", "label\ttext\nno such label\tc\n\td\n"}) {
    file.add("unlabelled", "more.tsv", content);
    const auto rows = read_split(file.spec, "unlabelled");
    ASSERT_TRUE(rows.ok()) << rows.status();
    EXPECT_THAT(rows->text, ElementsAre("c", "d"));
    EXPECT_THAT(numbers(*rows), ElementsAre(-1, -1));
    EXPECT_FALSE(rows->pairs_follow);
    EXPECT_EQ(inspect_dataset(file.spec)->rows.at("unlabelled"), 2);
  }
}

TEST(Dataset, ChecksItsUnlabelledSplit) {
  OneFile file("train.tsv", "text\tlabel\na\tx\nb\ty\n");
  file.add("unlabelled", "more.tsv", "sentence\nc\n");
  EXPECT_THAT(inspect_dataset(file.spec).status(), Refuses("more.tsv: has no column text"));
  file.add("unlabelled", "more.tsv", "text\nc\xFF\n");
  EXPECT_THAT(inspect_dataset(file.spec).status(), Refuses("row 1, column text: the text is not"));
  file.add("unlabelled", "more.tsv", "text\tlabel\na\tx\nb\ty\n");
  EXPECT_THAT(inspect_dataset(file.spec).status(),
              Refuses("splits train and unlabelled hold the same bytes"));
}

TEST(Dataset, SaysWhereRowsWithoutLabelsCanGo) {
  EXPECT_THAT(OneFile("a.tsv", "text\tlabel\nx\t1\ny\t\n").refuse(),
              Refuses("the label is empty; rows without labels can be the split unlabelled"));
  OneFile file("train.tsv", "text\tlabel\na\tx\nb\ty\n");
  file.add("select", "select.tsv", "text\tlabel\na\tx\nb\t\n");
  const auto select = read_split(file.spec, "select").status();
  EXPECT_TRUE(std::string(select.message()).ends_with("row 2, column label: the label is empty"));
}

TEST(Dataset, NeedsNoLabelColumnToCalibrateClasses) {
  OneFile file("train.tsv", "text\tlabel\na\tx\nb\ty\n");
  file.add("calibrate", "c.tsv", "text\na\nb\n");
  EXPECT_THAT(numbers(*read_split(file.spec, "calibrate")), ElementsAre(-1, -1));
  file.add("calibrate", "c.jsonl", "{\"text\": \"a\"}\n{\"text\": \"b\", \"label\": null}\n");
  EXPECT_THAT(numbers(*read_split(file.spec, "calibrate")), ElementsAre(-1, -1));
  file.add("calibrate", "c.jsonl", "{\"text\": \"a\"}\n{\"text\": \"b\", \"label\": \"x\"}\n");
  EXPECT_THAT(read_split(file.spec, "calibrate").status(),
              Refuses("row 1, column label: the label"));
  file.add("report", "c.tsv", "text\na\nb\n");
  EXPECT_THAT(read_split(file.spec, "report").status(), Refuses("has no column label"));
}

TEST(Dataset, RefusesOneFileForTwoSplits) {
  OneFile file("a.tsv", "text\tlabel\ngood\tx\nbad\ty\n");
  file.add("report", "copy.tsv", "text\tlabel\ngood\tx\nbad\ty\n");
  EXPECT_THAT(inspect_dataset(file.spec).status(),
              Refuses("splits report and train hold the same bytes"));
  file.add("report", "other.tsv", "text\tlabel\nfine\tx\n");
  EXPECT_TRUE(inspect_dataset(file.spec).ok());
}

TEST(Dataset, NeedsRowsAndTwoLabels) {
  EXPECT_THAT(inspect_dataset(OneFile("a.tsv", "text\tlabel\n").spec).status(),
              Refuses("has no rows"));
  EXPECT_THAT(inspect_dataset(OneFile("a.tsv", "text\tlabel\na\tx\n").spec).status(),
              Refuses("at least 2"));
}

TEST(Dataset, RefusesAnEmptyFileOfEveryFormat) {
  for (const char* name : {"a.tsv", "a.csv", "a.jsonl", "a.parquet"})
    EXPECT_THAT(OneFile(name, "").refuse(), Refuses(std::string(name) + ": is empty"));
}

TEST(Dataset, RefusesLabelsThatAreTextsAndNamesTheColumn) {
  const std::string text(201, 'x');
  OneFile file("a.tsv", "text\tlabel\na\t" + text + "\n");
  EXPECT_THAT(file.refuse(), Refuses("column label holds a label of 201 bytes"));
  EXPECT_THAT(file.refuse(), Refuses("mixed up with the text column (text)"));
  file.spec.label_names = {"x", "y"};
  EXPECT_THAT(file.refuse(), Refuses("unknown label of 201 bytes"));
  std::string rows = "text\tlabel\n";
  for (int i = 100; i < 500; ++i) rows += "a\t" + std::to_string(i) + std::string(190, 'x') + "\n";
  EXPECT_THAT(OneFile("a.tsv", rows).refuse(), Refuses("at most 65536 bytes"));
}

absl::StatusOr<DatasetSpec> read(const char* json) {
  return read_dataset_spec(Json::parse(json), "/data");
}

TEST(DatasetSpec, HasTheFieldsOfTheProto) {
  auto spec = read(
      R"({"name": "projects/p/datasets/d", "splits": [{"name": "train", "path": "a/t.txt", "rows": "3"}, {"name": "report", "path": "r.txt"}],
    "format": "FORMAT_TSV", "text_column": "s1", "text_pair_column": "s2", "label_names": ["no", "yes"], "label_column": ""})");
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->folder, "/data");
  EXPECT_EQ(spec->splits.at("train"), "a/t.txt");
  EXPECT_EQ(spec->format, TableFormat::kTsv);
  EXPECT_EQ(spec->text_pair_column, "s2");
  EXPECT_EQ(spec->label_column, "label");
  EXPECT_THAT(spec->label_names, ElementsAre("no", "yes"));
}

TEST(DatasetSpec, KnowsTheDigestsOfAStoresFilesAndHashesOthers) {
  auto spec = read(R"({"splits": [{"name": "train", "path": "a.tsv"}],
                       "files": [{"path": "a.tsv", "size": "4", "sha256": "0a1b"}]})");
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(*split_digest(*spec, "train"), "0a1b");  // there is no such file
  OneFile file("a.tsv", "abc");
  // Of "abc": FIPS 180-2, B.1.
  EXPECT_EQ(*split_digest(file.spec, "train"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_THAT(read(R"({"splits": [{"name": "train", "path": "a.tsv"}], "files": {}})").status(),
              Refuses("files must be a list"));
}

TEST(DatasetSpec, RefusesWhatCannotBeRead) {
  EXPECT_THAT(read("{}").status(), Refuses("splits is missing"));
  EXPECT_THAT(read(R"({"splits": [{"name": "train", "path": "a.tsv"},
                                  {"name": "report", "path": "a.tsv"}]})")
                  .status(),
              Refuses("splits train and report are both a.tsv"));
  EXPECT_THAT(read(R"({"splits": []})").status(), Refuses("no train"));
  EXPECT_THAT(read(R"({"splits": [{"name": "test", "path": "a.tsv"}]})").status(),
              Refuses("known: calibrate, report, select, train, unlabelled"));
  EXPECT_THAT(read(R"({"splits": [{"name": "train", "path": "a.tsv"},
                                  {"name": "unlabelled", "path": "b.tsv"}], "task": "fill-mask"})")
                  .status(),
              Refuses("splits has unlabelled, but fill-mask needs none: its train rows need no"));
  EXPECT_THAT(read(R"({"splits": [{"name": "train", "path": "../a.tsv"}]})").status(),
              Refuses("../a.tsv"));
  EXPECT_THAT(
      read(
          R"({"splits": [{"name": "train", "path": "a.tsv"}, {"name": "train", "path": "b.tsv"}]})")
          .status(),
      Refuses("train twice"));
  EXPECT_THAT(read(R"({"splits": [{"name": "train", "path": "a.doc"}]})").status(),
              Refuses("by its extension"));
  EXPECT_THAT(read(R"({"splits": [{"name": "train", "path": "a.tsv"}], "format": "XML"})").status(),
              Refuses("FORMAT_PARQUET"));
  EXPECT_THAT(
      read(R"({"splits": [{"name": "train", "path": "a.tsv"}], "task": "poetry"})").status(),
      Refuses("known: text-classification"));
  EXPECT_THAT(read(R"({"splits": [{"name": "train", "path": "a.tsv"}], "label_names": ["a", "a"]})")
                  .status(),
              Refuses("one twice"));
  const std::string long_name = R"({"splits": [{"name": "train", "path": "a.tsv"}],
                                    "label_names": ["a", ")" +
                                std::string(201, 'x') + R"("]})";
  EXPECT_THAT(read(long_name.c_str()).status(), Refuses("its longest name 201"));
}

}  // namespace
}  // namespace espalier
