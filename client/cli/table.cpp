#include "client/cli/table.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "absl/strings/str_format.h"

namespace espalier::cli {
namespace {

bool is_figure(const std::string& cell) {
  return cell.empty() || cell == "-" || std::isdigit(static_cast<unsigned char>(cell[0])) ||
         (cell.size() > 1 && cell[0] == '-' && std::isdigit(static_cast<unsigned char>(cell[1])));
}

std::string scaled(double value, double base, const std::vector<const char*>& units) {
  size_t unit = 0;
  while (std::abs(value) >= base && unit + 1 < units.size()) {
    value /= base;
    ++unit;
  }
  return unit == 0 ? absl::StrFormat("%.0f%s", value, units[0])
                   : absl::StrFormat("%.1f %s", value, units[unit]);
}

}  // namespace

size_t width_of(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](unsigned char c) { return (c & 0xC0) != 0x80; }));
}

std::string table(const std::vector<std::string>& head,
                  const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths;
  std::vector<bool> right;
  for (size_t c = 0; c < head.size(); ++c) {
    size_t width = width_of(head[c]);
    bool figures = !rows.empty();
    for (const auto& row : rows) {
      width = std::max(width, width_of(row[c]));
      figures = figures && is_figure(row[c]);
    }
    widths.push_back(width);
    right.push_back(figures);
  }
  std::string text;
  auto add_row = [&](const std::vector<std::string>& row) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) {
      std::string blanks(widths[c] - width_of(row[c]), ' ');
      line += (c ? "  " : "") + (right[c] ? blanks + row[c] : row[c] + blanks);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  };
  add_row(head);
  for (const auto& row : rows) add_row(row);
  return text;
}

std::string count_text(double count) { return scaled(count, 1000, {"", "k", "M", "G", "T"}); }

std::string bytes_text(uint64_t bytes) {
  return scaled(static_cast<double>(bytes), 1024, {" B", "KiB", "MiB", "GiB", "TiB"});
}

std::string duration_text(double seconds) {
  auto whole = static_cast<int64_t>(std::max(0.0, std::round(seconds)));
  if (whole >= 3600)
    return absl::StrFormat("%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60);
  return absl::StrFormat("%d:%02d", whole / 60, whole % 60);
}

std::string number_text(double value) {
  if (value == std::round(value) && std::abs(value) < 1e15) return absl::StrFormat("%.0f", value);
  return std::abs(value) >= 1000 ? absl::StrFormat("%.0f", value) : absl::StrFormat("%.4g", value);
}

}  // namespace espalier::cli
