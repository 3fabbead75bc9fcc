// Columns of a table file as text, some rows at a time, whatever the format: what stands in a TSV
// or CSV cell, a JSON value's text, a Parquet value's text ("3", "0.5", "true"); lists of such
// where they are wanted; and files that a Parquet table holds, as they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/spec/dataset_spec.h"

namespace espalier {

// Null, a text (or a file's bytes) or a list of texts.
using Cell = std::variant<std::monostate, std::string, std::vector<std::string>>;
inline bool is_null(const Cell& cell) { return cell.index() == 0; }

struct TextColumn {
  std::string name;
  // Of JSON lines and Parquet, which know types:
  bool must_be_text = false;  // numbers are refused
  bool may_be_list = false;   // lists are taken; else they are refused
  // Parquet only: any bytes, such as an image file. Binary, or Hugging Face's struct of bytes and
  // path, of which the bytes are taken.
  bool is_bytes = false;
  // A file, or a JSON line, without it has nulls. How many, the other columns tell: a Parquet file
  // that has none of the wanted columns has no rows.
  bool may_be_absent = false;
};

bool valid_utf8(std::string_view text);

// Some rows of a table: the wanted columns in their order, equally long.
struct TableBatch {
  int64_t first = 0;  // rows of the table before these
  std::vector<std::vector<Cell>> columns;
  int64_t rows() const { return static_cast<int64_t>(columns.front().size()); }
};
using TakeBatch = std::function<absl::Status(const TableBatch& batch)>;

// A row of a text format has no more bytes than this. A longer one is most often a quote that is
// never closed, or one JSON document where there should be lines.
inline constexpr size_t kMaxRowBytes = size_t{1} << 20, kMaxLineBytes = size_t{64} << 20;

// Reads the named columns from the first row to the last and hands them to `take`, a thousand rows
// or so at a time, so that no file needs to fit into memory; an error of `take` ends it. Errors
// name the file, the row (1-based, data rows only) and the column; a missing column names the
// columns found. All text is UTF-8. `format`: of a table, so not kSquad. `column_names`: of a TSV
// or CSV file whose first row is data already; empty: it is a header.
absl::Status read_table(const std::string& path, TableFormat format,
                        const std::vector<TextColumn>& columns,
                        const std::vector<std::string>& column_names, const TakeBatch& take);

// The cells of one column, likewise.
absl::Status read_column(const std::string& path, TableFormat format, const TextColumn& column,
                         const std::vector<std::string>& column_names,
                         const std::function<absl::Status(const Cell& cell)>& take);

// The format that a file's extension tells: .tsv, .csv, .jsonl, .ndjson, .parquet; .json is
// SQuAD's, which is no table (squad_file.h).
absl::StatusOr<TableFormat> format_of_extension(const std::string& path);

}  // namespace espalier
