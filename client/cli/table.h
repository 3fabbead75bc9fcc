// Plain text tables, and figures as people read them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace espalier::cli {

// Columns as wide as their widest cell, two blanks between them, no trailing blanks. A column whose
// cells are all figures is aligned to the right.
std::string table(const std::vector<std::string>& head,
                  const std::vector<std::vector<std::string>>& rows);

// Characters on a terminal, not bytes.
size_t width_of(const std::string& text);
// 22713216 -> "22.7 M", 1536 -> "1.5 k".
std::string count_text(double count);
// 1048576 -> "1.0 MiB".
std::string bytes_text(uint64_t bytes);
// 75 -> "1:15", 3700 -> "1:01:40".
std::string duration_text(double seconds);
// At most four significant digits: 0.41234 -> "0.4123", 1e-05.
std::string number_text(double value);

}  // namespace espalier::cli
