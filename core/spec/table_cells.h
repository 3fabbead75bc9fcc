// Cells of tables, out of Arrow's arrays, and what all readers of tables say of them.
#pragma once

#include <arrow/type_fwd.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/spec/table.h"

namespace espalier {

// INVALID_ARGUMENT of a file, of one of its cells (`row` from 1), and of a column it does not have.
absl::Status bad_table(const std::string& path, const std::string& why);
absl::Status bad_cell(const std::string& path, int64_t row, const std::string& column,
                      const std::string& why);
absl::Status no_column(const std::string& path, const std::string& column,
                       const std::vector<std::string>& found);

// A number as a cell has it: the shortest text that reads as the same number.
std::string decimal(double value);

// Whether values of a type can be what is wanted.
absl::Status check_type(const std::string& path, const arrow::DataType& type,
                        const TextColumn& wanted);

// Appends cells `begin` to `end` of the array; `first` rows of the table stand before it.
absl::Status append_cells(const std::string& path, const TextColumn& wanted, int64_t first,
                          const arrow::Array& array, int64_t begin, int64_t end,
                          std::vector<Cell>& out);

}  // namespace espalier
