#include "core/text/words.h"

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include <vector>

namespace espalier {
namespace {

bool is_ascii_punctuation(UChar32 c) {
  return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
         (c >= 123 && c <= 126);
}
bool is_punctuation(UChar32 c) { return c < 128 ? is_ascii_punctuation(c) : u_ispunct(c); }

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

void append_utf8(std::string& out, UChar32 c) {
  char buffer[U8_MAX_LENGTH];
  int32_t length = 0;
  U8_APPEND_UNSAFE(buffer, length, c);
  out.append(buffer, static_cast<size_t>(length));
}

// Canonical decomposition without its nonspacing marks.
std::vector<UChar32> without_accents(const std::vector<UChar32>& text) {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* nfd = icu::Normalizer2::getNFDInstance(error);
  const auto utf16 = icu::UnicodeString::fromUTF32(text.data(), static_cast<int32_t>(text.size()));
  const icu::UnicodeString decomposed = nfd->normalize(utf16, error);
  std::vector<UChar32> out;
  out.reserve(text.size());
  for (int32_t i = 0; i < decomposed.length(); i = decomposed.moveIndex32(i, 1)) {
    const UChar32 c = decomposed.char32At(i);
    if (u_charType(c) != U_NON_SPACING_MARK) out.push_back(c);
  }
  return out;
}

}  // namespace

WordSplitter::WordSplitter(BertSettings settings) : settings_(settings) {
  for (int c = 0; c < 128; ++c) {
    Kind kind = Kind::kLetter;
    if (c == ' ' || (c >= '\t' && c <= '\r')) kind = Kind::kSpace;
    if (is_ascii_punctuation(c)) kind = Kind::kPunctuation;
    if (settings.clean && is_control(c)) kind = Kind::kDropped;
    const bool lowers = settings.lower_case && c >= 'A' && c <= 'Z';
    ascii_[c] = {kind, static_cast<char>(lowers ? c + 32 : c)};
  }
}

bool WordSplitter::split_ascii(std::string_view text, std::string& out) const {
  out.reserve(text.size() + text.size() / 4 + 8);
  bool in_word = false;
  for (const char byte : text) {
    const auto c = static_cast<unsigned char>(byte);
    if (c >= 128) {
      out.clear();
      return false;
    }
    const Ascii& entry = ascii_[c];
    if (entry.kind == Kind::kLetter) {
      out.push_back(entry.lower);
      in_word = true;
    } else if (entry.kind != Kind::kDropped) {
      if (in_word) out.push_back(kEnd);
      in_word = false;
      if (entry.kind == Kind::kPunctuation) {
        out.push_back(byte);
        out.push_back(kEnd);
      }
    }
  }
  if (in_word) out.push_back(kEnd);
  return true;
}

void WordSplitter::split_unicode(std::string_view text, std::string& out) const {
  std::vector<UChar32> characters;
  characters.reserve(text.size());
  const auto length = static_cast<int32_t>(text.size());
  for (int32_t i = 0; i < length;) {
    UChar32 c;
    U8_NEXT_OR_FFFD(text.data(), i, length, c);
    if (settings_.clean) {
      if (c == 0 || c == 0xFFFD || is_control(c)) continue;
      if (u_isUWhiteSpace(c)) c = ' ';
    }
    const bool alone = settings_.pad_cjk && is_cjk(c);
    if (alone) characters.push_back(' ');
    characters.push_back(c);
    if (alone) characters.push_back(' ');
  }
  if (settings_.strip_accents) characters = without_accents(characters);

  out.reserve(text.size() + text.size() / 4 + 8);
  bool in_word = false;
  for (UChar32 c : characters) {
    const bool dotted = settings_.lower_case && c == 0x130;  // the one letter that lowers to two
    if (dotted) {
      c = 'i';
    } else if (settings_.lower_case) {
      c = u_tolower(c);
    }
    const bool is_space = u_isUWhiteSpace(c), is_mark = !is_space && is_punctuation(c);
    if ((is_space || is_mark) && in_word) out.push_back(kEnd);
    in_word = !is_space && !is_mark;
    if (is_space) continue;
    append_utf8(out, c);
    if (dotted) append_utf8(out, 0x307);
    if (is_mark) out.push_back(kEnd);
  }
  if (in_word) out.push_back(kEnd);
}

}  // namespace espalier
