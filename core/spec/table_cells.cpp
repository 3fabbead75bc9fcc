#include "core/spec/table_cells.h"

#include <arrow/api.h>
#include <arrow/util/utf8.h>

#include <algorithm>
#include <charconv>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status_macros.h"

namespace espalier {
namespace {

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

absl::StatusOr<Cell> bytes_of(const arrow::Array& array, int64_t i) {
  if (array.type_id() != arrow::Type::STRUCT) return text_of(array, i);
  const auto bytes = static_cast<const arrow::StructArray&>(array).GetFieldByName("bytes");
  if (!bytes->IsNull(i)) return text_of(*bytes, i);
  return absl::InvalidArgumentError(
      "the struct has no bytes; put the files into the table, not only their paths");
}

}  // namespace

absl::Status bad_table(const std::string& path, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", why));
}
absl::Status bad_cell(const std::string& path, int64_t row, const std::string& column,
                      const std::string& why) {
  return bad_table(path, absl::StrCat("row ", row, ", column ", column, ": ", why));
}
absl::Status no_column(const std::string& path, const std::string& column,
                       const std::vector<std::string>& found) {
  return bad_table(path, absl::StrCat("has no column ", column,
                                      "; columns found: ", absl::StrJoin(found, ", ")));
}

std::string decimal(double value) {
  char buffer[32];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return std::string(buffer, end);
}

bool valid_utf8(std::string_view text) {
  static std::once_flag once;
  std::call_once(once, arrow::util::InitializeUTF8);
  return arrow::util::ValidateUTF8(text);
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
  return bad_table(path,
                   absl::StrCat("column ", wanted.name, " holds ", type.ToString(), "; ", needed));
}

absl::Status append_cells(const std::string& path, const TextColumn& wanted, int64_t first,
                          const arrow::Array& array, int64_t begin, int64_t end,
                          std::vector<Cell>& out) {
  for (int64_t i = begin; i < end; ++i) {
    if (array.IsNull(i)) {
      out.emplace_back();
      continue;
    }
    const int64_t row = first + i + 1;
    auto cell = wanted.is_bytes ? bytes_of(array, i) : cell_of(array, i, wanted);
    if (!cell.ok()) return bad_cell(path, row, wanted.name, std::string(cell.status().message()));
    if (!wanted.is_bytes && !holds_utf8(*cell))
      return bad_cell(path, row, wanted.name, "the text is not UTF-8");
    out.push_back(*std::move(cell));
  }
  return absl::OkStatus();
}

}  // namespace espalier
