#include "server/control/names.h"

#include <openssl/rand.h>

#include <algorithm>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "server/common/status.h"

namespace espalier::server {
namespace {

constexpr char kDefaultProject[] = "default";  // the command line's

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

absl::Status check_id(const std::string& id, const std::string& what) {
  const bool fits = !id.empty() && id.size() <= 63 && is_lower(id.front()) && id.back() != '-' &&
                    std::all_of(id.begin(), id.end(),
                                [](char c) { return is_lower(c) || is_digit(c) || c == '-'; });
  if (fits) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, " is \"", absl::CHexEscape(id.substr(0, 80)),
                   "\"; it must be 1 to 63 lower-case letters, digits and dashes, with a letter "
                   "first and no dash last"));
}

absl::StatusOr<std::string> parse_parent(const std::string& parent) {
  std::vector<std::string> parts = absl::StrSplit(parent, '/');
  if (parts.size() != 2 || parts[0] != "projects") {
    return absl::InvalidArgumentError(absl::StrCat("parent is \"",
                                                   absl::CHexEscape(parent.substr(0, 200)),
                                                   "\"; it must look like projects/default"));
  }
  ESPALIER_RETURN_IF_ERROR(check_id(parts[1], "the project of parent"));
  return parts[1];
}

absl::StatusOr<Key> parse_name(const std::string& name, const std::string& collection) {
  std::vector<std::string> parts = absl::StrSplit(name, '/');
  if (parts.size() != 4 || parts[0] != "projects" || parts[2] != collection) {
    return absl::InvalidArgumentError(
        absl::StrCat("name is \"", absl::CHexEscape(name.substr(0, 200)),
                     "\"; it must look like projects/default/", collection, "/some-id"));
  }
  ESPALIER_RETURN_IF_ERROR(check_id(parts[1], "the project of name"));
  ESPALIER_RETURN_IF_ERROR(check_id(parts[3], "the last part of name"));
  return Key{parts[1], parts[3]};
}

std::string make_name(const Key& key, const std::string& collection) {
  return absl::StrCat("projects/", key.project, "/", collection, "/", key.id);
}

absl::Status no_such(const Key& key, const std::string& collection, std::string_view field) {
  const std::string project =
      key.project == kDefaultProject ? "" : absl::StrCat(" --project ", key.project);
  return with_reason(
      absl::NotFoundError(absl::StrCat("there is no ", make_name(key, collection), "; 'espalier ",
                                       collection, " list", project, "' shows what there is")),
      "NOT_FOUND", field);
}

std::string random_id(int digits) {
  std::string bytes(digits, '\0');
  RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), digits);
  std::string id;
  for (int i = 0; i < digits; ++i) {
    const int nibble = static_cast<unsigned char>(bytes[i]) % 16;
    id += i == 0 ? "abcdef"[nibble % 6] : "0123456789abcdef"[nibble];
  }
  return id;
}

std::string make_page_token(int64_t last, const std::string& query) {
  return absl::WebSafeBase64Escape(absl::StrCat(last, "|", crc32c(query)));
}

absl::StatusOr<int64_t> read_page_token(const std::string& token, const std::string& query) {
  if (token.empty()) return 0;
  std::string plain;
  int64_t last = 0;
  uint32_t check = 0;
  std::vector<std::string> parts;
  if (absl::WebSafeBase64Unescape(token, &plain)) parts = absl::StrSplit(plain, '|');
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &last) ||
      !absl::SimpleAtoi(parts[1], &check) || check != crc32c(query)) {
    return absl::InvalidArgumentError(
        "page_token is not one that this query returned; leave it empty to start from the first "
        "page, and "
        "keep parent, filter and order the same between pages");
  }
  return last;
}

absl::StatusOr<int> page_rows(int page_size) {
  if (page_size < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("page_size is ", page_size, "; it must be 0 (the default, 50) to 1000"));
  }
  return page_size == 0 ? 50 : std::min(page_size, 1000);
}

}  // namespace espalier::server
