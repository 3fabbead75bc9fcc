// Tables of JSON lines: an object a line, its fields the columns.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/spec/table.h"

namespace espalier {

// As read_table(). Every object must have the wanted columns, but for those that may be absent.
absl::Status read_json_lines(const std::string& path, const std::vector<TextColumn>& columns,
                             const TakeBatch& take);

}  // namespace espalier
