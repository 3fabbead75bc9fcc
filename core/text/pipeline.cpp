#include "core/text/pipeline.h"

#include <unicode/uchar.h>

#include <algorithm>
#include <set>

#include "core/text/utf8.h"

namespace espalier {
namespace {

// Added tokens that are looked for before normalisation, or after it in their own normal form.
std::vector<AddedToken> added_tokens_of(const Pipeline::Parts& parts, bool normalized) {
  std::vector<AddedToken> out;
  for (const AddedToken& token : parts.added) {
    if (token.normalized != normalized) continue;
    out.push_back(token);
    if (!normalized) continue;
    Normalized content;
    parts.model->normalize(token.content, 0, content);
    out.back().content = content.text;
  }
  return out;
}

// Characters at the start of `text` that Hugging Face takes for white space when it trims offsets:
// in byte-level pieces, which need not be whole characters, only the space itself (written as Ġ).
int32_t leading_blanks(std::string_view text, bool is_added) {
  int32_t out = 0;
  for (size_t i = 0; i < text.size(); ++out) {
    if (!is_added) {
      if (text[i++] != ' ') break;
      continue;
    }
    const UChar32 c = next_character(text, i);
    if (c != 0x120 && !u_isUWhiteSpace(c)) break;
  }
  return out;
}

int32_t trailing_blanks(std::string_view text, bool is_added) {
  int32_t out = 0;
  for (size_t end = text.size(); end > 0; ++out) {
    do --end;
    while (is_added && end > 0 && !begins_character(text[end]));
    if (leading_blanks(text.substr(end), is_added) == 0) break;
  }
  return out;
}

}  // namespace

Span Pieces::place(const Normalized& from, size_t begin, size_t end, bool is_added) const {
  Span out{from.places[begin].begin, from.places[end - 1].end};
  if (!trim.on) return out;
  const std::string_view text = std::string_view(from.text).substr(begin, end - begin);
  int32_t leading = leading_blanks(text, is_added);
  const int32_t trailing = trailing_blanks(text, is_added);
  // A single space before the first piece may be the one that was put there.
  if (trim.prefix_space && leading == 1 && (offsets->empty() || out.begin == 0)) leading = 0;
  out.begin = std::min(out.begin + leading, out.end);
  if (out.end >= trailing) out.end = std::max(out.end - trailing, out.begin);
  return out;
}

Pipeline::Pipeline(Parts parts)
    : parts_(std::move(parts)),
      raw_(added_tokens_of(parts_, false)),
      normalized_(added_tokens_of(parts_, true)) {
  const std::vector<int32_t> named = Tokenizer::special_ids();
  std::set<int32_t> special(named.begin(), named.end());
  for (const AddedToken& token : parts_.added) {
    if (token.special) special.insert(token.id);
  }
  special_ids_.assign(special.begin(), special.end());
}

void normalize_to_itself(std::string_view text, int32_t first, Normalized& out) {
  out.text.append(text);
  if (!out.traced) return;
  out.places.reserve(out.text.size());
  --first;
  for (const char byte : text) {
    first += begins_character(byte);
    out.places.push_back({first, first + 1});
  }
}

void Pipeline::add_plain(const Normalized& text, Pieces& out) const {
  normalized_.split(text.text, [&](size_t begin, size_t end, int32_t id) {
    if (id >= 0) {
      out.add_token(id, text, begin, end);
    } else {
      parts_.model->take_apart(text, begin, end, out);
    }
  });
}

std::vector<int32_t> Pipeline::run(std::string_view text, Pieces out) const {
  std::string repaired;
  if (!is_utf8(text)) text = repaired = repair_utf8(text);
  if (out.offsets != nullptr) out.offsets->clear();
  out.ids.reserve(text.size() / 4 + 4);
  Normalized part;
  part.traced = out.offsets != nullptr;
  int32_t first = 0;
  raw_.split(text, [&](size_t begin, size_t end, int32_t id) {
    const std::string_view here = text.substr(begin, end - begin);
    part.clear();
    if (id >= 0) {
      if (part.traced) normalize_to_itself(here, first, part);
      out.add_token(id, part, 0, here.size());
    } else {
      parts_.model->normalize(here, first, part);
      add_plain(part, out);
    }
    if (part.traced) first += count_characters(here);
  });
  return std::move(out.ids);
}

}  // namespace espalier
