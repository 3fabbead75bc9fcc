#include "core/spec/table.h"

#include <arrow/api.h>
#include <arrow/csv/api.h>
#include <arrow/io/api.h>
#include <parquet/arrow/reader.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/guard.h"
#include "core/base/status_macros.h"
#include "core/spec/json_lines.h"
#include "core/spec/table_cells.h"

namespace espalier {
namespace {

// Of a batch. Files are larger than texts: of a photo set, so many have some megabytes.
constexpr int64_t kBatchRows = 1024, kBatchFiles = 16;

// Arrow's own pool keeps what it once had, several times what is needed at a time.
arrow::MemoryPool* memory() { return arrow::system_memory_pool(); }

absl::Status from_arrow(const std::string& path, const arrow::Status& status) {
  return bad_table(path, status.message());
}

absl::StatusOr<std::shared_ptr<arrow::io::ReadableFile>> open_file(const std::string& path) {
  auto file = arrow::io::ReadableFile::Open(path, memory());
  if (!file.ok()) return from_arrow(path, file.status());
  return *std::move(file);
}

// What Arrow says when a row does not fit into the blocks that it reads tells users nothing.
absl::Status bad_rows(const std::string& path, int64_t before, const arrow::Status& status) {
  if (!absl::StrContains(status.message(), "straddl")) return from_arrow(path, status);
  return bad_table(path,
                   absl::StrCat("a row after row ", before, " has more than ", kMaxRowBytes,
                                " bytes, which is no text for a model; is a quote not closed?"));
}

// Column names of a delimited file that has a header.
absl::StatusOr<std::vector<std::string>> header_of(const std::string& path,
                                                   arrow::csv::ParseOptions parse) {
  // A bad row is the full read's to tell.
  parse.invalid_row_handler = [](const arrow::csv::InvalidRow&) {
    return arrow::csv::InvalidRowResult::Skip;
  };
  ESPALIER_ASSIGN_OR_RETURN(const auto file, open_file(path));
  auto read = arrow::csv::ReadOptions::Defaults();
  read.use_threads = false;
  read.block_size = kMaxRowBytes;
  auto convert = arrow::csv::ConvertOptions::Defaults();
  convert.check_utf8 = false;
  auto reader =
      arrow::csv::StreamingReader::Make(arrow::io::IOContext(memory()), file, read, parse, convert);
  if (!reader.ok()) return bad_rows(path, 0, reader.status());
  return (*reader)->schema()->field_names();
}

// What is wrong with a row that has too many or too few cells; empty: nothing.
using RowError = std::shared_ptr<std::string>;

arrow::csv::ParseOptions parse_options(bool tabs, bool has_header, const RowError& error) {
  auto parse = arrow::csv::ParseOptions::Defaults();
  parse.delimiter = tabs ? '\t' : ',';
  parse.quoting = !tabs;  // in a TSV a quote is a character like any other
  parse.escaping = false;
  parse.newlines_in_values = !tabs;
  parse.invalid_row_handler = [has_header, error](const arrow::csv::InvalidRow& row) {
    const int64_t number = row.number - (has_header ? 1 : 0);
    *error = absl::StrCat(number > 0 ? absl::StrCat("row ", number) : "a row", " has ",
                          row.actual_columns, " cells, but ",
                          has_header ? "the header names " : "column_names has ",
                          row.expected_columns, has_header ? " columns" : " names");
    return arrow::csv::InvalidRowResult::Error;
  };
  return parse;
}

absl::Status read_delimited(const std::string& path, bool tabs,
                            const std::vector<TextColumn>& columns,
                            const std::vector<std::string>& column_names, const TakeBatch& take) {
  // Shared, for Arrow's threads may outlive an early return.
  const auto row_error = std::make_shared<std::string>();
  const auto parse = parse_options(tabs, column_names.empty(), row_error);
  std::vector<std::string> names = column_names;
  if (names.empty()) {
    ESPALIER_ASSIGN_OR_RETURN(names, header_of(path, parse));
  }
  auto convert = arrow::csv::ConvertOptions::Defaults();
  convert.check_utf8 = false;  // append_cells checks, and knows the row
  convert.strings_can_be_null = false;
  convert.include_missing_columns = true;  // with nulls
  for (const TextColumn& column : columns) {
    if (std::count(names.begin(), names.end(), column.name) == 0 && !column.may_be_absent)
      return no_column(path, column.name, names);
    convert.include_columns.push_back(column.name);
    convert.column_types[column.name] = arrow::utf8();
  }
  auto read = arrow::csv::ReadOptions::Defaults();
  read.use_threads = false;  // row numbers are known in one thread only
  read.column_names = column_names;
  read.block_size = kMaxRowBytes;
  ESPALIER_ASSIGN_OR_RETURN(const auto file, open_file(path));
  auto reader =
      arrow::csv::StreamingReader::Make(arrow::io::IOContext(memory()), file, read, parse, convert);
  if (!row_error->empty()) return bad_table(path, *row_error);
  if (!reader.ok()) return bad_rows(path, 0, reader.status());
  TableBatch batch;
  while (true) {  // over blocks, of which Arrow reads up to 32 ahead
    std::shared_ptr<arrow::RecordBatch> block;
    const arrow::Status status = (*reader)->ReadNext(&block);
    if (!row_error->empty()) return bad_table(path, *row_error);
    if (!status.ok()) return bad_rows(path, batch.first, status);
    if (block == nullptr) return absl::OkStatus();
    const int64_t before = batch.first;
    for (int64_t begin = 0; begin < block->num_rows(); begin += kBatchRows) {
      const int64_t end = std::min(begin + kBatchRows, block->num_rows());
      batch.columns.assign(columns.size(), {});
      for (size_t c = 0; c < columns.size(); ++c) {
        ESPALIER_RETURN_IF_ERROR(append_cells(path, columns[c], before,
                                              *block->GetColumnByName(columns[c].name), begin, end,
                                              batch.columns[c]));
      }
      ESPALIER_RETURN_IF_ERROR(take(batch));
      batch.first += end - begin;
    }
  }
}

// Columns of a Parquet file, side by side.
class ParquetColumns {
 public:
  ParquetColumns(const std::string& path, const std::vector<TextColumn>& columns)
      : path_(path), columns_(columns) {}

  absl::Status open() {
    ESPALIER_ASSIGN_OR_RETURN(const auto file, open_file(path_));
    parquet::arrow::FileReaderBuilder builder;
    parquet::ReaderProperties pages(memory());
    pages.enable_buffered_stream();  // else the pages of a whole row group are read at once
    if (auto status = builder.Open(file, pages); !status.ok()) return from_arrow(path_, status);
    if (auto status = builder.memory_pool(memory())->Build(&reader_); !status.ok())
      return from_arrow(path_, status);
    std::shared_ptr<arrow::Schema> schema;
    if (auto status = reader_->GetSchema(&schema); !status.ok()) return from_arrow(path_, status);
    for (const TextColumn& column : columns_) {
      auto& values = values_.emplace_back();
      const int index = schema->GetFieldIndex(column.name);
      if (index < 0 && column.may_be_absent) continue;
      if (index < 0) return no_column(path_, column.name, schema->field_names());
      ESPALIER_RETURN_IF_ERROR(check_type(path_, *schema->field(index)->type(), column));
      if (auto status = reader_->GetColumn(index, &values); !status.ok())
        return from_arrow(path_, status);
    }
    return absl::OkStatus();
  }

  // The next rows of all columns; none at the end.
  absl::Status next(int64_t rows, TableBatch& out) {
    out.columns.assign(columns_.size(), {});
    std::optional<size_t> length;
    for (size_t c = 0; c < columns_.size(); ++c) {
      if (values_[c] == nullptr) continue;
      std::shared_ptr<arrow::ChunkedArray> values;
      if (auto status = values_[c]->NextBatch(rows, &values); !status.ok())
        return from_arrow(path_, status);
      int64_t first = out.first;
      for (const auto& chunk : values->chunks()) {
        ESPALIER_RETURN_IF_ERROR(
            append_cells(path_, columns_[c], first, *chunk, 0, chunk->length(), out.columns[c]));
        first += chunk->length();
      }
      if (!length) length = out.columns[c].size();
      if (out.columns[c].size() == *length) continue;
      return bad_table(path_, absl::StrCat("column ", columns_[c].name, " and the one before it ",
                                           "are not equally long"));
    }
    for (auto& cells : out.columns) cells.resize(length.value_or(0));
    return absl::OkStatus();
  }

 private:
  std::string path_;
  std::vector<TextColumn> columns_;
  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::vector<std::unique_ptr<parquet::arrow::ColumnReader>> values_;  // null: not in the file
};

absl::Status read_parquet(const std::string& path, const std::vector<TextColumn>& columns,
                          const TakeBatch& take) {
  ParquetColumns parquet(path, columns);
  ESPALIER_RETURN_IF_ERROR(parquet.open());
  const bool files = std::any_of(columns.begin(), columns.end(),
                                 [](const TextColumn& column) { return column.is_bytes; });
  // Few rows also keep below the 2 GB that Arrow can give of a struct's bytes at once.
  for (TableBatch batch;; batch.first += batch.rows()) {
    ESPALIER_RETURN_IF_ERROR(parquet.next(files ? kBatchFiles : kBatchRows, batch));
    if (batch.rows() == 0) return absl::OkStatus();
    ESPALIER_RETURN_IF_ERROR(take(batch));
  }
}

}  // namespace

absl::StatusOr<TableFormat> format_of_extension(const std::string& path) {
  const std::string extension = path.substr(std::min(path.size(), path.rfind('.')));
  if (extension == ".tsv") return TableFormat::kTsv;
  if (extension == ".csv") return TableFormat::kCsv;
  if (extension == ".jsonl" || extension == ".ndjson") return TableFormat::kJsonLines;
  if (extension == ".parquet") return TableFormat::kParquet;
  if (extension == ".json") return TableFormat::kSquad;
  return absl::InvalidArgumentError(absl::StrCat(
      "cannot tell the format of ", path,
      " by its extension; known: .tsv, .csv, .jsonl, .parquet, .json (SQuAD); or set the "
      "format"));
}

absl::Status read_table(const std::string& path, TableFormat format,
                        const std::vector<TextColumn>& columns,
                        const std::vector<std::string>& column_names, const TakeBatch& take) {
  if (format == TableFormat::kByExtension) {
    ESPALIER_ASSIGN_OR_RETURN(format, format_of_extension(path));
  }
  for (const TextColumn& column : columns) {
    if (column.is_bytes && format != TableFormat::kParquet)
      return bad_table(
          path, absl::StrCat("column ", column.name, " holds files, which only Parquet can"));
  }
  std::error_code unreadable;  // which the readers tell
  if (std::filesystem::file_size(path, unreadable) == 0 && !unreadable)
    return bad_table(path, "is empty; a data set needs rows. Was it copied to its end?");
  return guard("reading a table", [&]() -> absl::Status {
    switch (format) {
      case TableFormat::kTsv:
        return read_delimited(path, true, columns, column_names, take);
      case TableFormat::kCsv:
        return read_delimited(path, false, columns, column_names, take);
      case TableFormat::kParquet:
        return read_parquet(path, columns, take);
      default:
        return read_json_lines(path, columns, take);
    }
  });
}

absl::Status read_column(const std::string& path, TableFormat format, const TextColumn& column,
                         const std::vector<std::string>& column_names,
                         const std::function<absl::Status(const Cell& cell)>& take) {
  return read_table(path, format, {column}, column_names,
                    [&](const TableBatch& batch) -> absl::Status {
                      for (const Cell& cell : batch.columns[0])
                        ESPALIER_RETURN_IF_ERROR(take(cell));
                      return absl::OkStatus();
                    });
}

}  // namespace espalier
