// Columns of a table file as text, whatever the format: what stands in a TSV or CSV cell, a JSON
// value's text, a Parquet value's text ("3", "0.5", "true").
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/spec/dataset_spec.h"

namespace espalier {

// A cell; nothing = null.
using Cell = std::optional<std::string>;

struct TextColumn {
  std::string name;
  bool must_be_text = false;  // numbers are refused (JSON lines and Parquet, which know types)
};

// The named columns, one vector each, equally long. Errors name the file, the row (1-based, data
// rows only) and the column; a missing column names the columns found. All text is UTF-8.
absl::StatusOr<std::vector<std::vector<Cell>>> read_table(const std::string& path,
                                                          TableFormat format,
                                                          const std::vector<TextColumn>& columns);

// The format that a file's extension tells: .tsv, .csv, .jsonl, .ndjson, .parquet.
absl::StatusOr<TableFormat> format_of_extension(const std::string& path);

}  // namespace espalier
