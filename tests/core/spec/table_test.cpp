// Columns of files in Parquet tables; texts and labels are dataset_spec_test's and
// dataset_tasks_test's.
#include "core/spec/table.h"

#include <arrow/api.h>
#include <arrow/io/api.h>
#include <parquet/arrow/writer.h>

#include "tests/core/spec/scratch.h"

namespace espalier {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::Refuses;
using testing::Scratch;

const std::string kNoText("\xff\xd8\0\xfe", 4);

std::shared_ptr<arrow::Array> binary(const std::vector<std::optional<std::string>>& values) {
  arrow::BinaryBuilder builder;
  for (const auto& value : values) {
    EXPECT_TRUE((value ? builder.Append(*value) : builder.AppendNull()).ok());
  }
  return *builder.Finish();
}

// As Hugging Face's `datasets` writes an Image column.
std::shared_ptr<arrow::Array> structs(const std::vector<std::optional<std::string>>& bytes) {
  arrow::StringBuilder paths;
  for (size_t i = 0; i < bytes.size(); ++i) EXPECT_TRUE(paths.Append("x.png").ok());
  const arrow::ArrayVector fields = {binary(bytes), *paths.Finish()};
  return *arrow::StructArray::Make(fields, std::vector<std::string>{"bytes", "path"});
}

// All cells of a table's only wanted column, however they come.
absl::StatusOr<std::vector<Cell>> read_column(const std::string& path, const TextColumn& column) {
  std::vector<Cell> out;
  const absl::Status status =
      read_table(path, TableFormat::kByExtension, {column}, {}, [&](const TableBatch& batch) {
        EXPECT_EQ(batch.first, static_cast<int64_t>(out.size()));
        out.insert(out.end(), batch.columns[0].begin(), batch.columns[0].end());
        return absl::OkStatus();
      });
  if (!status.ok()) return status;
  return out;
}

// Of a file with one column "image", two rows a row group.
absl::StatusOr<std::vector<Cell>> image_column(const std::shared_ptr<arrow::Array>& column,
                                               const TextColumn& wanted = {.name = "image",
                                                                           .is_bytes = true}) {
  Scratch scratch;
  const std::string path = scratch.path() + "/a.parquet";
  auto table = arrow::Table::Make(arrow::schema({arrow::field("image", column->type())}), {column});
  {
    auto out = *arrow::io::FileOutputStream::Open(path);
    EXPECT_TRUE(
        parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), out, /*chunk_size=*/2)
            .ok());
    EXPECT_TRUE(out->Close().ok());
  }
  return read_column(path, wanted);
}

TEST(Table, ReadsFilesOutOfParquetAsTheyAre) {
  auto plain = image_column(binary({kNoText, std::nullopt, "", "b"}));
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_THAT(*plain, ElementsAre(Cell(kNoText), Cell(), Cell(""), Cell("b")));
  auto nested = image_column(structs({"a", kNoText, "c"}));
  ASSERT_TRUE(nested.ok()) << nested.status();
  EXPECT_THAT(*nested, ElementsAre(Cell("a"), Cell(kNoText), Cell("c")));
}

TEST(Table, RefusesFilesThatAreOnlyNamed) {
  EXPECT_THAT(image_column(structs({"a", "b", std::nullopt})).status(),
              Refuses("row 3, column image: the struct has no bytes; put the files into"));
  arrow::StringBuilder paths;
  ASSERT_TRUE(paths.Append("x.png").ok());
  EXPECT_THAT(image_column(*paths.Finish()).status(),
              Refuses("column image holds string; files must be binary, or a struct with bytes"));
}

TEST(Table, HasNullsInsteadOfAColumnThatMayBeAbsent) {
  const TextColumn label = {.name = "label", .may_be_absent = true};
  Scratch scratch;
  EXPECT_THAT(*read_column(scratch.write("a.tsv", "text\na\nb\n"), label),
              ElementsAre(Cell(), Cell()));
  EXPECT_THAT(
      *read_column(scratch.write("a.jsonl", "{\"text\": \"a\"}\n{\"label\": \"x\"}\n"), label),
      ElementsAre(Cell(), Cell("x")));
  EXPECT_THAT(*image_column(binary({"a", "b"}), label), IsEmpty());  // nothing tells their number
}

TEST(Table, RefusesFilesInFormatsOfText) {
  Scratch scratch;
  const std::string path = scratch.write("a.csv", "image\nx\n");
  EXPECT_THAT(read_column(path, {.name = "image", .is_bytes = true}).status(),
              Refuses("column image holds files, which only Parquet can"));
}

// 20,000 rows "N,text N" of a table of texts, in the words of its format.
std::string many_rows(const std::string& name, const std::string& before, const std::string& after,
                      const Scratch& scratch) {
  std::string out = name == "a.jsonl" ? "" : "id,text\n";
  for (int i = 0; i < 20'000; ++i) out += before + std::to_string(i) + after;
  return scratch.write(name, out);
}

TEST(Table, ComesSomeRowsAtATimeInTheirOrder) {
  Scratch scratch;
  const std::string files[] = {many_rows("a.csv", "x,", "\n", scratch),
                               many_rows("a.jsonl", "{\"text\": \"", "\"}\n", scratch)};
  for (const std::string& path : files) {
    auto cells = read_column(path, {.name = "text", .must_be_text = true});
    ASSERT_TRUE(cells.ok()) << cells.status();
    ASSERT_EQ(cells->size(), 20'000u);
    for (size_t i = 0; i < cells->size(); ++i) ASSERT_EQ(cells->at(i), Cell(std::to_string(i)));
  }
}

TEST(Table, EndsWithTheFirstErrorOfWhoeverTakesIt) {
  Scratch scratch;
  int64_t seen = 0;
  const absl::Status status = read_table(many_rows("a.csv", "x,", "\n", scratch), TableFormat::kCsv,
                                         {{.name = "text"}}, {}, [&](const TableBatch& batch) {
                                           seen += batch.rows();
                                           return absl::CancelledError("enough");
                                         });
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
  EXPECT_LT(seen, 20'000);
}

// Behind the first block that is read, and behind the first batch.
TEST(Table, KnowsTheNumberOfARowFarDown) {
  const std::string wide(1000, 'y');
  std::string tsv = "text\tlabel\n", json;
  for (int i = 1; i < 5000; ++i) {
    tsv += wide + "\t1\n";
    json += "{\"text\": \"a\"}\n";
  }
  Scratch scratch;
  const TextColumn text = {.name = "text", .must_be_text = true};
  EXPECT_THAT(read_column(scratch.write("a.tsv", tsv + "b\t1\t2\n"), text).status(),
              Refuses("row 5000 has 3 cells, but the header names 2 columns"));
  EXPECT_THAT(read_column(scratch.write("a.tsv", tsv + "\xFF\t1\n"), text).status(),
              Refuses("row 5000, column text: the text is not UTF-8"));
  EXPECT_THAT(read_column(scratch.write("a.jsonl", json + "{\"text\": 3}\n"), text).status(),
              Refuses("row 5000, column text: text must be a string"));
}

TEST(Table, RefusesARowThatIsNoText) {
  Scratch scratch;
  const std::string wide(kMaxRowBytes, 'y');
  const TextColumn text = {.name = "text"};
  for (const std::string before : {"", "a,b\nc,d\n"}) {
    const std::string open = "text,label\n" + before + "\"" + wide + wide;
    EXPECT_THAT(read_column(scratch.write("a.csv", open), text).status(),
                Refuses("has more than 1048576 bytes"));
  }
  const std::string lines = "{\"text\": \"a\"}\n{\"text\": \"";
  EXPECT_THAT(
      read_column(scratch.write("a.jsonl", lines + std::string(kMaxLineBytes, 'y')), text).status(),
      Refuses("row 2 has more than 67108864 bytes"));
}

}  // namespace
}  // namespace espalier
