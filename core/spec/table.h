// Columns of a table file as text, whatever the format: what stands in a TSV or CSV cell, a JSON
// value's text, a Parquet value's text ("3", "0.5", "true"); lists of such where they are wanted;
// and files that a Parquet table holds, as they are.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

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
  bool may_be_absent = false;  // a file, or a JSON line, without it has nulls
};

bool valid_utf8(std::string_view text);

// The named columns, one vector each, equally long. Errors name the file, the row (1-based, data
// rows only) and the column; a missing column names the columns found. All text is UTF-8.
// `format`: of a table, so not kSquad. `column_names`: of a TSV or CSV file whose first row is data
// already; empty: it is a header.
absl::StatusOr<std::vector<std::vector<Cell>>> read_table(
    const std::string& path, TableFormat format, const std::vector<TextColumn>& columns,
    const std::vector<std::string>& column_names = {});

// The format that a file's extension tells: .tsv, .csv, .jsonl, .ndjson, .parquet; .json is
// SQuAD's, which is no table (squad_file.h).
absl::StatusOr<TableFormat> format_of_extension(const std::string& path);

}  // namespace espalier
