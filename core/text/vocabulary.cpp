#include "core/text/vocabulary.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/text/utf8.h"

namespace espalier {
namespace {

constexpr int64_t kMaxTokens = 1 << 24;

}  // namespace

absl::StatusOr<Vocabulary> Vocabulary::from_lines(std::string_view text, const std::string& file) {
  Vocabulary out;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view token = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!token.empty() && token.back() == '\r') token.remove_suffix(1);
    const int32_t id = out.size_++;
    if (out.size_ > kMaxTokens)
      return absl::InvalidArgumentError(absl::StrCat(file, " has more than 16 million lines"));
    if (!is_utf8(token)) {
      return absl::InvalidArgumentError(
          absl::StrCat(file, " line ", id + 1, " is not UTF-8; save the vocabulary as UTF-8"));
    }
    auto [it, is_new] = out.ids_.try_emplace(std::string(token), id);
    if (!is_new) {
      return absl::InvalidArgumentError(absl::StrCat(file, " has the token '", std::string(token),
                                                     "' on line ", it->second + 1,
                                                     " and again on line ", id + 1));
    }
  }
  return out;
}

absl::StatusOr<Vocabulary> Vocabulary::from_json(const Json& json, const std::string& file) {
  if (!json.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ": the vocabulary must be an object of tokens and their ids"));
  }
  Vocabulary out;
  out.ids_.reserve(json.size());
  for (const auto& [token, value] : json.items()) {
    const int64_t id = value.is_number_integer() ? value.get<int64_t>() : -1;
    if (id < 0 || id >= kMaxTokens) {
      return absl::InvalidArgumentError(absl::StrCat(file, ": the id of the token '", token,
                                                     "' is ", value.dump(),
                                                     "; ids are whole numbers from 0 to 16777215"));
    }
    out.ids_.emplace(token, static_cast<int32_t>(id));
    out.size_ = std::max(out.size_, static_cast<int32_t>(id) + 1);
  }
  return out;
}

}  // namespace espalier
