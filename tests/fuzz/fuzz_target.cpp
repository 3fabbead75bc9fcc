#include "tests/fuzz/fuzz_target.h"

#include <google/protobuf/stubs/logging.h>

#include <cctype>
#include <cstdio>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace espalier::fuzz {
namespace {

constexpr size_t kKindBytes = 32;

void on_protobuf_log(google::protobuf::LogLevel, const char*, int, const std::string& message) {
  if (absl::StrContains(message, "serializing")) broken(absl::StrCat("protobuf: ", message));
}

}  // namespace

void broken(const std::string& promise) {
  std::fprintf(stderr, "broken promise: %s\n", promise.c_str());
  std::abort();
}

std::string kind_of_text(std::string_view text) {
  std::string kind;
  bool quoted = false;
  for (const char c : text) {
    if (c == '"') quoted = !quoted;
    const bool is_word = c == ' ' || std::isalpha(static_cast<unsigned char>(c)) != 0;
    if (is_word && !quoted) kind.push_back(c);
    if (kind.size() == kKindBytes) break;
  }
  return kind;
}

std::string kind_of(const absl::Status& status) {
  return absl::StrCat(absl::StatusCodeToString(status.code()), " ",
                      kind_of_text({status.message().data(), status.message().size()}));
}

void watch_protobuf() { google::protobuf::SetLogHandler(on_protobuf_log); }

}  // namespace espalier::fuzz
