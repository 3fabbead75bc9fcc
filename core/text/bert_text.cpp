#include "core/text/bert_text.h"

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <array>
#include <vector>

#include "core/text/utf8.h"

namespace espalier {
namespace {

// Tab, line feed and carriage return are white space to BERT, other control characters are nothing.
// What Unicode has not assigned yet stays: Hugging Face's tables are older than the youngest emoji.
bool is_control(UChar32 c) {
  if (c == '\t' || c == '\n' || c == '\r') return false;
  return (U_GET_GC_MASK(c) & (U_GC_CC_MASK | U_GC_CF_MASK | U_GC_CO_MASK)) != 0;
}

// The blocks of CJK ideographs that BERT's authors chose.
bool is_cjk(UChar32 c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
         (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

enum class BertKind : unsigned char { kLetter, kSpace, kPunctuation };

constexpr std::array<BertKind, 128> ascii_kinds() {
  std::array<BertKind, 128> out{};
  for (int c = 0; c < 128; ++c) {
    const bool is_mark = (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
                         (c >= 123 && c <= 126);
    if (c == ' ' || (c >= '\t' && c <= '\r')) out[c] = BertKind::kSpace;
    if (is_mark) out[c] = BertKind::kPunctuation;
  }
  return out;
}
constexpr std::array<BertKind, 128> kAsciiKinds = ascii_kinds();

// The kind of the character at byte `i`, and `i` moved behind it.
BertKind next_kind(std::string_view text, size_t& i) {
  const UChar32 c = next_character(text, i);
  if (c < 128) return kAsciiKinds[static_cast<size_t>(c)];
  if (u_isUWhiteSpace(c)) return BertKind::kSpace;
  return u_ispunct(c) ? BertKind::kPunctuation : BertKind::kLetter;
}

struct Character {
  UChar32 c;
  Span place;
};

// A part of a canonical decomposition on its way to its order.
struct Decomposed {
  UChar32 c;
  unsigned char order;
  bool leads;  // the first that its character became
};

// Puts marks in canonical order. Hugging Face leaves the places where they were: the k-th leader
// has the place of the k-th character, the others that of the leader before them.
void decompose(const std::vector<Character>& text, std::vector<Character>& out) {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* nfd = icu::Normalizer2::getNFDInstance(error);
  std::vector<Decomposed> all;
  all.reserve(text.size() + text.size() / 2);
  icu::UnicodeString parts;
  for (const Character& from : text) {
    if (!nfd->getDecomposition(from.c, parts)) parts.setTo(from.c);
    for (int32_t i = 0; i < parts.length(); i = parts.moveIndex32(i, 1)) {
      const UChar32 c = parts.char32At(i);
      all.push_back({c, u_getCombiningClass(c), i == 0});
    }
  }
  for (auto begin = all.begin(); begin != all.end();) {
    if (begin->order == 0) {
      ++begin;
      continue;
    }
    const auto end = std::find_if(begin, all.end(), [](const auto& one) { return one.order == 0; });
    std::stable_sort(begin, end, [](const auto& a, const auto& b) { return a.order < b.order; });
    begin = end;
  }
  size_t leaders = 0;
  for (const Decomposed& one : all) {
    leaders += one.leads;
    out.push_back({one.c, leaders > 0 ? text[leaders - 1].place : Span{}});
  }
}

}  // namespace

BertNormalizer::BertNormalizer(BertSettings settings) : settings_(settings) {
  for (int c = 0; c < 128; ++c) {
    int out = c;
    if (settings.lower_case && c >= 'A' && c <= 'Z') out = c + 32;
    if (settings.clean && kAsciiKinds[c] == BertKind::kSpace) out = ' ';
    if (settings.clean && is_control(c)) out = kDropped;
    ascii_[c] = static_cast<unsigned char>(out);
  }
}

void BertNormalizer::normalize(std::string_view text, int32_t first, Normalized& out) const {
  out.text.reserve(out.text.size() + text.size() + text.size() / 8);
  for (size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 128) {
      i = normalize_unicode(text, i, first, out);
      continue;
    }
    if (ascii_[c] != kDropped) {
      out.text.push_back(static_cast<char>(ascii_[c]));
      out.trace({first, first + 1});
    }
    ++first;
    ++i;
  }
}

size_t BertNormalizer::normalize_unicode(std::string_view text, size_t at, int32_t& first,
                                         Normalized& out) const {
  std::vector<Character> run, decomposed;
  // ASCII that is dropped ends no run: marks before and behind it still come into one order.
  for (size_t next = at; at < text.size(); at = next, ++first) {
    UChar32 c = next_character(text, next);
    if (c < 128 && ascii_[c] != kDropped) break;
    const Span place{first, first + 1};
    if (settings_.clean) {
      if (c == 0xFFFD || is_control(c)) continue;
      if (u_isUWhiteSpace(c)) c = ' ';
    }
    const bool alone = settings_.pad_cjk && is_cjk(c);
    if (alone) run.push_back({' ', place});
    run.push_back({c, place});
    if (alone) run.push_back({' ', place});
  }
  if (settings_.strip_accents) {
    decompose(run, decomposed);
    std::erase_if(decomposed,
                  [](const Character& one) { return u_charType(one.c) == U_NON_SPACING_MARK; });
    run.swap(decomposed);
  }
  for (const Character& one : run) {
    const bool dotted =
        settings_.lower_case && one.c == 0x130;  // the one letter that lowers to two
    if (dotted) {
      append_character(out.text, 'i');
      append_character(out.text, 0x307);
    } else {
      append_character(out.text, settings_.lower_case ? u_tolower(one.c) : one.c);
    }
    out.trace(one.place);
  }
  return at;
}

size_t next_bert_word(std::string_view text, size_t& at) {
  for (size_t next = at; at < text.size(); at = next) {
    const BertKind kind = next_kind(text, next);
    if (kind == BertKind::kPunctuation) return next;
    if (kind == BertKind::kLetter) {
      size_t end = next;
      while (next < text.size() && next_kind(text, next) == BertKind::kLetter) end = next;
      return end;
    }
  }
  return at;
}

}  // namespace espalier
