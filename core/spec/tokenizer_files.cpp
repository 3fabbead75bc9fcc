#include "core/spec/tokenizer_files.h"

#include <algorithm>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/options.h"
#include "core/base/status_macros.h"
#include "core/spec/bounded_files.h"

namespace espalier {
namespace {

// XLM-R's tokenizer.json has 17 MB.
constexpr uint64_t kMaxTokenizerBytes = 32 << 20;

absl::Status malformed(const char* file, const char* what) {
  return absl::InvalidArgumentError(absl::StrCat(file, ": ", what));
}

// Entries of vocab.txt: lines, a last line without a newline included.
int64_t count_lines(const std::string& text) {
  return std::count(text.begin(), text.end(), '\n') + (!text.empty() && text.back() != '\n');
}

// Raises `rows` to hold an id; false when it is none.
bool raise_rows(const Json& id, int64_t& rows) {
  if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() >= INT32_MAX) {
    return false;
  }
  rows = std::max(rows, id.get<int64_t>() + 1);
  return true;
}

// Rows that {token: id, ...} needs, or a list whose places are the ids (Unigram).
absl::StatusOr<int64_t> rows_of_vocabulary(const char* file, const Json& vocabulary) {
  if (vocabulary.is_array()) return static_cast<int64_t>(vocabulary.size());
  if (!vocabulary.is_object()) return malformed(file, "the vocabulary must be {token: id, ...}");
  int64_t rows = 0;
  for (const Json& id : vocabulary) {
    if (!raise_rows(id, rows)) return malformed(file, "an id must be an integer from 0 on");
  }
  return rows;
}

absl::StatusOr<int64_t> rows_of_tokenizer(const Json& json) {
  constexpr char kFile[] = "tokenizer.json";
  const Json* model = json.is_object() && json.contains("model") ? &json["model"] : nullptr;
  if (model == nullptr || !model->is_object() || !model->contains("vocab")) {
    return malformed(kFile, "it must be an object with a model.vocab");
  }
  ESPALIER_ASSIGN_OR_RETURN(int64_t rows, rows_of_vocabulary(kFile, (*model)["vocab"]));
  if (!json.contains("added_tokens") || json["added_tokens"].is_null()) return rows;
  const Json& added = json["added_tokens"];
  if (!added.is_array()) return malformed(kFile, "added_tokens must be a list");
  for (const Json& token : added) {
    if (!token.is_object() || !token.contains("id") || !raise_rows(token["id"], rows)) {
      return malformed(kFile, "each of added_tokens must have an id from 0 on");
    }
  }
  return rows;
}

absl::Status check_rows(const char* file, int64_t needed, int rows) {
  if (needed < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, " has no entries; a tokenizer needs a vocabulary"));
  }
  if (needed <= rows) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(file, " has ", needed,
                                                 " entries, but the embedding has ", rows,
                                                 " rows; it needs a row for each entry"));
}

}  // namespace

absl::Status copy_tokenizer_files(const std::string& from, const std::string& to) {
  for (const char* name : kTokenizerFiles) {
    const std::string file = absl::StrCat(from, "/", name);
    if (!is_file(file)) continue;
    ESPALIER_ASSIGN_OR_RETURN(const std::string content, read_file(file));
    ESPALIER_RETURN_IF_ERROR(write_file(absl::StrCat(to, "/", name), content));
  }
  return absl::OkStatus();
}

absl::Status check_tokenizer_files(const std::string& folder, int rows) {
  auto path = [&](const char* name) { return absl::StrCat(folder, "/", name); };
  const bool list = is_file(path("vocab.txt")), whole = is_file(path("tokenizer.json")),
             pieces = is_file(path("vocab.json")), merges = is_file(path("merges.txt"));
  if (!list && !whole && !(pieces && merges)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the folder has no vocab.txt, no tokenizer.json and no ",
        pieces ? "merges.txt beside its vocab.json" : "vocab.json with merges.txt",
        "; a model is config.json, its weights and its tokenizer, which is one of these"));
  }
  if (list) {
    ESPALIER_ASSIGN_OR_RETURN(std::string text,
                              read_bounded(path("vocab.txt"), kMaxTokenizerBytes));
    ESPALIER_RETURN_IF_ERROR(check_rows("vocab.txt", count_lines(text), rows));
  }
  if (pieces) {
    ESPALIER_ASSIGN_OR_RETURN(const Json json,
                              read_bounded_json(path("vocab.json"), kMaxTokenizerBytes));
    ESPALIER_ASSIGN_OR_RETURN(int64_t needed, rows_of_vocabulary("vocab.json", json));
    ESPALIER_RETURN_IF_ERROR(check_rows("vocab.json", needed, rows));
  }
  if (whole) {
    ESPALIER_ASSIGN_OR_RETURN(const Json json,
                              read_bounded_json(path("tokenizer.json"), kMaxTokenizerBytes));
    ESPALIER_ASSIGN_OR_RETURN(int64_t needed, rows_of_tokenizer(json));
    ESPALIER_RETURN_IF_ERROR(check_rows("tokenizer.json", needed, rows));
  }
  return absl::OkStatus();
}

}  // namespace espalier
