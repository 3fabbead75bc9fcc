#include "core/spec/table.h"

#include <arrow/api.h>
#include <arrow/csv/api.h>
#include <arrow/io/api.h>
#include <arrow/util/utf8.h>
#include <parquet/arrow/reader.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/guard.h"
#include "core/base/options.h"
#include "core/base/status_macros.h"

namespace espalier {
namespace {

using Columns = std::vector<std::vector<Cell>>;

absl::Status bad(const std::string& path, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", why));
}
absl::Status bad_cell(const std::string& path, int64_t row, const std::string& column,
                      const std::string& why) {
  return bad(path, absl::StrCat("row ", row, ", column ", column, ": ", why));
}
absl::Status no_column(const std::string& path, const std::string& column,
                       const std::vector<std::string>& found) {
  return bad(path, absl::StrCat("has no column ", column,
                                "; columns found: ", absl::StrJoin(found, ", ")));
}
absl::Status from_arrow(const std::string& path, const arrow::Status& status) {
  return bad(path, status.message());
}

std::string decimal(double value) {
  char buffer[32];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return std::string(buffer, end);
}

// Column names of a delimited file that has a header.
absl::StatusOr<std::vector<std::string>> header_of(const std::string& path,
                                                   arrow::csv::ParseOptions parse) {
  // A bad row is the full read's to tell.
  parse.invalid_row_handler = [](const arrow::csv::InvalidRow&) {
    return arrow::csv::InvalidRowResult::Skip;
  };
  auto file = arrow::io::ReadableFile::Open(path);
  if (!file.ok()) return from_arrow(path, file.status());
  auto read = arrow::csv::ReadOptions::Defaults();
  read.use_threads = false;
  auto convert = arrow::csv::ConvertOptions::Defaults();
  convert.check_utf8 = false;
  auto reader = arrow::csv::StreamingReader::Make(arrow::io::default_io_context(), *file, read,
                                                  parse, convert);
  if (!reader.ok()) return from_arrow(path, reader.status());
  return (*reader)->schema()->field_names();
}

absl::StatusOr<std::string> text_of(const arrow::Array& array, int64_t i) {
  using arrow::Type;
  switch (array.type_id()) {
    case Type::STRING:
    case Type::BINARY:
      return static_cast<const arrow::BinaryArray&>(array).GetString(i);
    case Type::LARGE_STRING:
    case Type::LARGE_BINARY:
      return static_cast<const arrow::LargeBinaryArray&>(array).GetString(i);
    case Type::STRING_VIEW:
      return std::string(static_cast<const arrow::StringViewArray&>(array).GetView(i));
    case Type::DICTIONARY: {
      const auto& dictionary = static_cast<const arrow::DictionaryArray&>(array);
      return text_of(*dictionary.dictionary(), dictionary.GetValueIndex(i));
    }
    case Type::BOOL:
      return std::string(static_cast<const arrow::BooleanArray&>(array).Value(i) ? "true"
                                                                                 : "false");
    case Type::FLOAT:
      return decimal(static_cast<const arrow::FloatArray&>(array).Value(i));
    case Type::DOUBLE:
      return decimal(static_cast<const arrow::DoubleArray&>(array).Value(i));
    default:
      break;
  }
  if (!arrow::is_integer(array.type_id())) {
    return absl::InvalidArgumentError(
        absl::StrCat("type ", array.type()->ToString(), " is no text, number or boolean"));
  }
  auto scalar = array.GetScalar(i);
  if (!scalar.ok()) return absl::InternalError(scalar.status().message());
  return (*scalar)->ToString();
}

bool is_text(const arrow::DataType& type) {
  if (type.id() == arrow::Type::DICTIONARY) {
    return is_text(*static_cast<const arrow::DictionaryType&>(type).value_type());
  }
  return arrow::is_base_binary_like(type.id()) || type.id() == arrow::Type::STRING_VIEW;
}

// The array's value i, a list in `items`, as a list of texts.
absl::StatusOr<std::vector<std::string>> list_of(const arrow::Array& items, int64_t begin,
                                                 int64_t end, bool must_be_text) {
  if (must_be_text && !is_text(*items.type())) {
    return absl::InvalidArgumentError(
        absl::StrCat("a list of ", items.type()->ToString(), "; text must be strings"));
  }
  std::vector<std::string> out;
  for (int64_t i = begin; i < end; ++i) {
    if (items.IsNull(i)) return absl::InvalidArgumentError("the list holds a null");
    ESPALIER_ASSIGN_OR_RETURN(std::string text, text_of(items, i));
    out.push_back(std::move(text));
  }
  return out;
}

absl::StatusOr<Cell> cell_of(const arrow::Array& array, int64_t i, const TextColumn& wanted) {
  using arrow::Type;
  if (wanted.may_be_list && array.type_id() == Type::LIST) {
    const auto& lists = static_cast<const arrow::ListArray&>(array);
    return list_of(*lists.values(), lists.value_offset(i), lists.value_offset(i + 1),
                   wanted.must_be_text);
  }
  if (wanted.may_be_list && array.type_id() == Type::LARGE_LIST) {
    const auto& lists = static_cast<const arrow::LargeListArray&>(array);
    return list_of(*lists.values(), lists.value_offset(i), lists.value_offset(i + 1),
                   wanted.must_be_text);
  }
  return text_of(array, i);
}

bool holds_utf8(const Cell& cell) {
  if (const auto* text = std::get_if<std::string>(&cell)) return valid_utf8(*text);
  const auto* list = std::get_if<std::vector<std::string>>(&cell);
  return list == nullptr || std::all_of(list->begin(), list->end(),
                                        [](const std::string& item) { return valid_utf8(item); });
}

// A column of files: of bytes, or of structs with bytes.
bool holds_bytes(const arrow::DataType& type) {
  if (type.id() == arrow::Type::BINARY || type.id() == arrow::Type::LARGE_BINARY) return true;
  if (type.id() != arrow::Type::STRUCT) return false;
  const auto bytes = static_cast<const arrow::StructType&>(type).GetFieldByName("bytes");
  return bytes != nullptr && bytes->type()->id() != arrow::Type::STRUCT &&
         holds_bytes(*bytes->type());
}

absl::Status check_type(const std::string& path, const arrow::DataType& type,
                        const TextColumn& wanted) {
  const bool lists = type.id() == arrow::Type::LIST || type.id() == arrow::Type::LARGE_LIST;
  const char* needed = nullptr;
  if (wanted.is_bytes && !holds_bytes(type))
    needed = "files must be binary, or a struct with bytes";
  if (wanted.must_be_text && !is_text(type) && !(wanted.may_be_list && lists))
    needed = "text must be strings";
  if (needed == nullptr) return absl::OkStatus();
  return bad(path, absl::StrCat("column ", wanted.name, " holds ", type.ToString(), "; ", needed));
}

absl::StatusOr<Cell> bytes_of(const arrow::Array& array, int64_t i) {
  if (array.type_id() != arrow::Type::STRUCT) return text_of(array, i);
  const auto bytes = static_cast<const arrow::StructArray&>(array).GetFieldByName("bytes");
  if (!bytes->IsNull(i)) return text_of(*bytes, i);
  return absl::InvalidArgumentError(
      "the struct has no bytes; put the files into the table, not only their paths");
}

absl::Status append_cells(const std::string& path, const arrow::ChunkedArray& column,
                          const TextColumn& wanted, std::vector<Cell>& out) {
  for (const auto& chunk : column.chunks()) {
    for (int64_t i = 0; i < chunk->length(); ++i) {
      const int64_t row = static_cast<int64_t>(out.size()) + 1;
      if (chunk->IsNull(i)) {
        out.emplace_back();
        continue;
      }
      auto cell = wanted.is_bytes ? bytes_of(*chunk, i) : cell_of(*chunk, i, wanted);
      if (!cell.ok()) return bad_cell(path, row, wanted.name, std::string(cell.status().message()));
      if (!wanted.is_bytes && !holds_utf8(*cell))
        return bad_cell(path, row, wanted.name, "the text is not UTF-8");
      out.push_back(*std::move(cell));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Columns> read_delimited(const std::string& path, bool tabs,
                                       const std::vector<TextColumn>& columns,
                                       const std::vector<std::string>& column_names) {
  auto parse = arrow::csv::ParseOptions::Defaults();
  parse.delimiter = tabs ? '\t' : ',';
  parse.quoting = !tabs;  // in a TSV a quote is a character like any other
  parse.escaping = false;
  parse.newlines_in_values = !tabs;
  std::vector<std::string> names = column_names;
  if (names.empty()) {
    ESPALIER_ASSIGN_OR_RETURN(names, header_of(path, parse));
  }

  auto convert = arrow::csv::ConvertOptions::Defaults();
  convert.check_utf8 = false;  // cells_of checks, and knows the row
  convert.strings_can_be_null = false;
  for (const TextColumn& column : columns) {
    if (std::count(names.begin(), names.end(), column.name) == 0) {
      if (column.may_be_absent) continue;
      return no_column(path, column.name, names);
    }
    convert.include_columns.push_back(column.name);
    convert.column_types[column.name] = arrow::utf8();
  }
  std::string row_error;
  parse.invalid_row_handler = [&](const arrow::csv::InvalidRow& row) {
    const int64_t number = row.number - (column_names.empty() ? 1 : 0);
    row_error = absl::StrCat(number > 0 ? absl::StrCat("row ", number) : "a row", " has ",
                             row.actual_columns, " cells, but ",
                             column_names.empty() ? "the header names " : "column_names has ",
                             row.expected_columns, column_names.empty() ? " columns" : " names");
    return arrow::csv::InvalidRowResult::Error;
  };
  auto read = arrow::csv::ReadOptions::Defaults();
  read.use_threads = false;  // row numbers are known in one thread only
  read.column_names = column_names;
  auto file = arrow::io::ReadableFile::Open(path);
  if (!file.ok()) return from_arrow(path, file.status());
  auto reader =
      arrow::csv::TableReader::Make(arrow::io::default_io_context(), *file, read, parse, convert);
  if (!reader.ok()) return from_arrow(path, reader.status());
  auto table = (*reader)->Read();
  if (!row_error.empty()) return bad(path, row_error);
  if (!table.ok()) return from_arrow(path, table.status());
  Columns out;
  for (const TextColumn& column : columns) {
    const auto found = (*table)->GetColumnByName(column.name);
    if (found == nullptr) {
      out.emplace_back(static_cast<size_t>((*table)->num_rows()));
      continue;
    }
    ESPALIER_RETURN_IF_ERROR(append_cells(path, *found, column, out.emplace_back()));
  }
  return out;
}

absl::StatusOr<Columns> read_parquet(const std::string& path,
                                     const std::vector<TextColumn>& columns) {
  auto file = arrow::io::ReadableFile::Open(path);
  if (!file.ok()) return from_arrow(path, file.status());
  auto reader = parquet::arrow::OpenFile(*file, arrow::default_memory_pool());
  if (!reader.ok()) return from_arrow(path, reader.status());
  std::shared_ptr<arrow::Schema> schema;
  if (auto status = (*reader)->GetSchema(&schema); !status.ok()) return from_arrow(path, status);
  Columns out;
  for (const TextColumn& column : columns) {
    const int index = schema->GetFieldIndex(column.name);
    if (index < 0 && column.may_be_absent) {
      const auto rows = (*reader)->parquet_reader()->metadata()->num_rows();
      out.emplace_back(static_cast<size_t>(rows));
      continue;
    }
    if (index < 0) return no_column(path, column.name, schema->field_names());
    ESPALIER_RETURN_IF_ERROR(check_type(path, *schema->field(index)->type(), column));
    out.emplace_back();
    // One row group at a time: Arrow reads no more than 2 GB of a struct's bytes at once.
    for (int group = 0; group < (*reader)->num_row_groups(); ++group) {
      std::shared_ptr<arrow::ChunkedArray> values;
      if (auto status = (*reader)->RowGroup(group)->Column(index)->Read(&values); !status.ok())
        return from_arrow(path, status);
      ESPALIER_RETURN_IF_ERROR(append_cells(path, *values, column, out.back()));
    }
  }
  return out;
}

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

// Line by line rather than through Arrow's JSON reader, whose errors do not tell the row.
absl::StatusOr<Columns> read_json_lines(const std::string& path,
                                        const std::vector<TextColumn>& columns) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return absl::NotFoundError(absl::StrCat("cannot read ", path));
  Columns out(columns.size());
  std::string line;
  for (int64_t row = 1; std::getline(in, line);) {
    if (row == 1 && line.rfind("\xEF\xBB\xBF", 0) == 0) line.erase(0, 3);
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    Json object = Json::parse(line, nullptr, false);
    if (!object.is_object()) {
      return bad(path, absl::StrCat("row ", row,
                                    valid_utf8(line) ? " is not a JSON object" : " is not UTF-8"));
    }
    for (size_t c = 0; c < columns.size(); ++c) {
      const std::string& name = columns[c].name;
      auto it = object.find(name);
      if (it == object.end() && columns[c].may_be_absent) {
        out[c].emplace_back();
        continue;
      }
      if (it == object.end()) {
        std::vector<std::string> found;
        for (const auto& [key, value] : object.items()) found.push_back(key);
        return no_column(absl::StrCat(path, ": row ", row), name, found);
      }
      auto cell = json_cell(*it, columns[c]);
      if (!cell.ok()) return bad_cell(path, row, name, std::string(cell.status().message()));
      out[c].push_back(*std::move(cell));
    }
    ++row;
  }
  if (in.bad()) return absl::DataLossError(absl::StrCat("reading ", path, " failed"));
  return out;
}

}  // namespace

bool valid_utf8(std::string_view text) {
  static std::once_flag once;
  std::call_once(once, arrow::util::InitializeUTF8);
  return arrow::util::ValidateUTF8(text);
}

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

absl::StatusOr<Columns> read_table(const std::string& path, TableFormat format,
                                   const std::vector<TextColumn>& columns,
                                   const std::vector<std::string>& column_names) {
  if (format == TableFormat::kByExtension) {
    ESPALIER_ASSIGN_OR_RETURN(format, format_of_extension(path));
  }
  for (const TextColumn& column : columns) {
    if (column.is_bytes && format != TableFormat::kParquet)
      return bad(path,
                 absl::StrCat("column ", column.name, " holds files, which only Parquet can"));
  }
  std::error_code unreadable;  // which the readers tell
  if (std::filesystem::file_size(path, unreadable) == 0 && !unreadable)
    return bad(path, "is empty; a data set needs rows. Was it copied to its end?");
  return guard("reading a table", [&]() -> absl::StatusOr<Columns> {
    switch (format) {
      case TableFormat::kTsv:
        return read_delimited(path, true, columns, column_names);
      case TableFormat::kCsv:
        return read_delimited(path, false, columns, column_names);
      case TableFormat::kParquet:
        return read_parquet(path, columns);
      default:
        return read_json_lines(path, columns);
    }
  });
}

}  // namespace espalier
