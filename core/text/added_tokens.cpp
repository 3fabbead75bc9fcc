#include "core/text/added_tokens.h"

#include <unicode/uchar.h>

#include <algorithm>

#include "core/text/utf8.h"

namespace espalier {
namespace {

// What Rust's and Python's regular expressions call \w.
bool is_word_character(UChar32 c) {
  constexpr uint32_t kMask = U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK;
  return (U_GET_GC_MASK(c) & kMask) != 0 || u_hasBinaryProperty(c, UCHAR_ALPHABETIC) ||
         u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL);
}

// Start of the character that ends at byte `end`, which is above 0.
size_t character_before(std::string_view text, size_t end) {
  do --end;
  while (end > 0 && !begins_character(text[end]));
  return end;
}

UChar32 character_at(std::string_view text, size_t i) { return next_character(text, i); }

bool stands_alone(std::string_view text, size_t begin, size_t end) {
  if (begin > 0 && is_word_character(character_at(text, character_before(text, begin))))
    return false;
  return end == text.size() || !is_word_character(character_at(text, end));
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::erase_if(tokens_, [](const AddedToken& token) { return token.content.empty(); });
  for (size_t i = 0; i < tokens_.size(); ++i) {
    contents_.insert(tokens_[i].content, static_cast<int32_t>(i));
    begins_[static_cast<unsigned char>(tokens_[i].content[0])] = true;
  }
}

bool AddedTokens::find(std::string_view text, Search& search, Part& part) const {
  search.at = std::max(search.at, search.done);
  for (; search.at < text.size(); ++search.at) {
    if (!begins_[static_cast<unsigned char>(text[search.at])]) continue;
    const Trie::Match match = contents_.longest(Trie::kRoot, text.substr(search.at));
    if (match.value == Trie::kAbsent) continue;
    const AddedToken& token = tokens_[static_cast<size_t>(match.value)];
    part = {search.at, search.at + match.length, token.id};
    search.at = part.end;
    if (token.single_word && !stands_alone(text, part.begin, part.end)) {
      --search.at;  // the loop steps on
      continue;
    }
    while (token.lstrip && part.begin > search.done) {
      const size_t before = character_before(text, part.begin);
      if (!u_isUWhiteSpace(character_at(text, before))) break;
      part.begin = before;
    }
    part.begin = std::max(part.begin, search.done);  // a token before it may have taken white space
    for (size_t next = part.end; token.rstrip && part.end < text.size(); part.end = next) {
      if (!u_isUWhiteSpace(next_character(text, next))) break;
    }
    return true;
  }
  return false;
}

}  // namespace espalier
