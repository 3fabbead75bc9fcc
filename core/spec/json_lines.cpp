#include "core/spec/json_lines.h"

#include <fstream>

#include "absl/strings/str_cat.h"
#include "core/base/options.h"
#include "core/base/status_macros.h"
#include "core/spec/table_cells.h"

namespace espalier {
namespace {

// A batch is full with so many rows, or with so many bytes of lines.
constexpr int64_t kBatchLines = 1024;
constexpr size_t kBatchBytes = size_t{4} << 20;

// A JSON value that stands in a cell, or in a list of one.
absl::StatusOr<std::string> json_text(const Json& value, bool must_be_text) {
  if (value.is_string()) return value.get<std::string>();
  if (must_be_text) return absl::InvalidArgumentError("text must be a string");
  if (value.is_structured() || value.is_null()) {
    return absl::InvalidArgumentError(absl::StrCat(value.is_object() ? "an object"
                                                   : value.is_null() ? "a null"
                                                                     : "a list",
                                                   " is no label"));
  }
  return value.is_number_float() ? decimal(value.get<double>()) : value.dump();
}

absl::StatusOr<Cell> json_cell(const Json& value, const TextColumn& wanted) {
  if (value.is_null()) return Cell();
  if (!wanted.may_be_list || !value.is_array()) return json_text(value, wanted.must_be_text);
  std::vector<std::string> list;
  for (const Json& item : value) {
    ESPALIER_ASSIGN_OR_RETURN(std::string text, json_text(item, wanted.must_be_text));
    list.push_back(std::move(text));
  }
  return list;
}

// The next line without its end, as std::getline, but of `most` bytes and one more at most.
bool next_line(std::istream& in, size_t most, std::string& line) {
  line.clear();
  char piece[4096];
  while (line.size() <= most) {
    in.getline(piece, sizeof piece);
    const auto got = static_cast<size_t>(in.gcount());
    const bool is_cut = in.fail() && !in.eof() && !in.bad() && got == sizeof piece - 1;
    const bool ended = in.good();  // the end is counted, but not stored
    line.append(piece, got - (ended ? 1 : 0));
    if (!is_cut) return ended || got > 0 || !line.empty();
    in.clear();
  }
  line.resize(most + 1);
  return true;
}

// Appends the wanted values of a line.
absl::Status append_json(const std::string& path, int64_t row, const std::string& line,
                         const std::vector<TextColumn>& columns, TableBatch& out) {
  if (line.size() > kMaxLineBytes) {
    return bad_table(path, absl::StrCat("row ", row, " has more than ", kMaxLineBytes,
                                        " bytes; every line must be a JSON object of its own"));
  }
  const Json object = Json::parse(line, nullptr, false);
  if (!object.is_object()) {
    return bad_table(
        path,
        absl::StrCat("row ", row, valid_utf8(line) ? " is not a JSON object" : " is not UTF-8"));
  }
  for (size_t c = 0; c < columns.size(); ++c) {
    const std::string& name = columns[c].name;
    auto it = object.find(name);
    if (it == object.end() && columns[c].may_be_absent) {
      out.columns[c].emplace_back();
      continue;
    }
    if (it == object.end()) {
      std::vector<std::string> found;
      for (const auto& [key, value] : object.items()) found.push_back(key);
      return no_column(absl::StrCat(path, ": row ", row), name, found);
    }
    auto cell = json_cell(*it, columns[c]);
    if (!cell.ok()) return bad_cell(path, row, name, std::string(cell.status().message()));
    out.columns[c].push_back(*std::move(cell));
  }
  return absl::OkStatus();
}

}  // namespace

// Line by line rather than through Arrow's JSON reader, whose errors do not tell the row.
absl::Status read_json_lines(const std::string& path, const std::vector<TextColumn>& columns,
                             const TakeBatch& take) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return absl::NotFoundError(absl::StrCat("cannot read ", path));
  TableBatch batch;
  batch.columns.resize(columns.size());
  size_t bytes = 0;
  const auto hand_over = [&]() -> absl::Status {
    if (batch.rows() == 0) return absl::OkStatus();
    ESPALIER_RETURN_IF_ERROR(take(batch));
    batch.first += batch.rows();
    batch.columns.assign(columns.size(), {});
    bytes = 0;
    return absl::OkStatus();
  };
  std::string line;
  for (bool at_start = true; next_line(in, kMaxLineBytes, line); at_start = false) {
    if (at_start && line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    ESPALIER_RETURN_IF_ERROR(
        append_json(path, batch.first + batch.rows() + 1, line, columns, batch));
    bytes += line.size();
    if (batch.rows() == kBatchLines || bytes >= kBatchBytes) ESPALIER_RETURN_IF_ERROR(hand_over());
  }
  if (in.bad()) return absl::DataLossError(absl::StrCat("reading ", path, " failed"));
  return hand_over();
}

}  // namespace espalier
