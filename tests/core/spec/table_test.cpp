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

// One column "image", two rows a row group.
absl::StatusOr<std::vector<std::vector<Cell>>> image_column(
    const std::shared_ptr<arrow::Array>& column) {
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
  return read_table(path, TableFormat::kParquet, {{.name = "image", .is_bytes = true}});
}

TEST(Table, ReadsFilesOutOfParquetAsTheyAre) {
  auto plain = image_column(binary({kNoText, std::nullopt, "", "b"}));
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_THAT(plain->at(0), ElementsAre(Cell(kNoText), Cell(), Cell(""), Cell("b")));
  auto nested = image_column(structs({"a", kNoText, "c"}));
  ASSERT_TRUE(nested.ok()) << nested.status();
  EXPECT_THAT(nested->at(0), ElementsAre(Cell("a"), Cell(kNoText), Cell("c")));
}

TEST(Table, RefusesFilesThatAreOnlyNamed) {
  EXPECT_THAT(image_column(structs({"a", "b", std::nullopt})).status(),
              Refuses("row 3, column image: the struct has no bytes; put the files into"));
  arrow::StringBuilder paths;
  ASSERT_TRUE(paths.Append("x.png").ok());
  EXPECT_THAT(image_column(*paths.Finish()).status(),
              Refuses("column image holds string; files must be binary, or a struct with bytes"));
}

TEST(Table, RefusesFilesInFormatsOfText) {
  Scratch scratch;
  const std::string path = scratch.write("a.csv", "image\nx\n");
  EXPECT_THAT(
      read_table(path, TableFormat::kByExtension, {{.name = "image", .is_bytes = true}}).status(),
      Refuses("column image holds files, which only Parquet can"));
}

}  // namespace
}  // namespace espalier
