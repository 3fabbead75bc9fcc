#include "core/text/vocabulary.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace espalier {

absl::StatusOr<Vocabulary> Vocabulary::read(std::string_view text) {
  constexpr size_t kMaxTokens = 1 << 24;
  Vocabulary out;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view token = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!token.empty() && token.back() == '\r') token.remove_suffix(1);
    const int32_t id = out.size_++;
    if (static_cast<size_t>(out.size_) > kMaxTokens)
      return absl::InvalidArgumentError("vocab.txt has more than 16 million lines");
    auto [it, is_new] = out.starts_.try_emplace(std::string(token), id);
    if (!is_new) {
      return absl::InvalidArgumentError(
          absl::StrCat("vocab.txt has the token '", std::string(token), "' on line ",
                       it->second + 1, " and again on line ", id + 1));
    }
    const bool continues = token.size() > 2 && token.substr(0, 2) == "##";
    if (continues) out.continuations_.emplace(std::string(token.substr(2)), id);
    out.longest_ = std::max(out.longest_, continues ? token.size() - 2 : token.size());
  }
  for (const char* token : {"[UNK]", "[CLS]", "[SEP]"}) {
    if (out.find(token) == kAbsent) {
      return absl::InvalidArgumentError(
          absl::StrCat("vocab.txt has no ", token, " among its ", out.size_,
                       " tokens; a BERT vocabulary needs [UNK], [CLS] and [SEP]"));
    }
  }
  return out;
}

}  // namespace espalier
