#include "core/text/byte_level.h"

#include <unicode/uchar.h>

#include <array>

#include "core/text/utf8.h"

namespace espalier {
namespace {

enum class Gpt2Kind : unsigned char { kOther, kSpace, kLetter, kNumber };

constexpr std::array<Gpt2Kind, 128> gpt2_ascii() {
  std::array<Gpt2Kind, 128> out{};
  for (int c = 0; c < 128; ++c) {
    if (c == ' ' || (c >= '\t' && c <= '\r')) out[c] = Gpt2Kind::kSpace;
    if (c >= '0' && c <= '9') out[c] = Gpt2Kind::kNumber;
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) out[c] = Gpt2Kind::kLetter;
  }
  return out;
}
constexpr std::array<Gpt2Kind, 128> kGpt2Ascii = gpt2_ascii();

// The kind of the character at byte `i`, and `i` moved behind it.
Gpt2Kind next_gpt2_kind(std::string_view text, size_t& i) {
  const UChar32 c = next_character(text, i);
  if (c < 128) return kGpt2Ascii[static_cast<size_t>(c)];
  const uint32_t category = U_GET_GC_MASK(c);
  if (category & U_GC_L_MASK) return Gpt2Kind::kLetter;
  if (category & U_GC_N_MASK) return Gpt2Kind::kNumber;
  return u_isUWhiteSpace(c) ? Gpt2Kind::kSpace : Gpt2Kind::kOther;
}

size_t end_of_run(std::string_view text, size_t at, Gpt2Kind kind) {
  for (size_t next = at; at < text.size(); at = next) {
    if (next_gpt2_kind(text, next) != kind) break;
  }
  return at;
}

// 's, 't, 're, ... : their length at the start of `text`, or 0.
size_t contraction(std::string_view text) {
  if (text.size() < 2 || text[0] != '\'') return 0;
  const char a = text[1], b = text.size() > 2 ? text[2] : '\0';
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return 2;
  return ((a == 'r' || a == 'v') && b == 'e') || (a == 'l' && b == 'l') ? 3 : 0;
}

// White space goes to the end of the text, or leaves its last character to what follows.
size_t end_of_space(std::string_view text, size_t at) {
  size_t last = at, end = at;
  next_gpt2_kind(text, end);
  for (size_t next = end; end < text.size(); end = next) {
    if (next_gpt2_kind(text, next) != Gpt2Kind::kSpace) return last == at ? end : last;
    last = end;
  }
  return end;
}

bool is_printable_latin(unsigned byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
}

struct ByteTable {
  UChar32 character[256];
  int16_t byte[0x180];  // of a character; -1: none
  ByteTable() {
    for (auto& one : byte) one = -1;
    UChar32 next = 0x100;
    for (unsigned b = 0; b < 256; ++b) {
      character[b] = is_printable_latin(b) ? static_cast<UChar32>(b) : next++;
      byte[character[b]] = static_cast<int16_t>(b);
    }
  }
};

const ByteTable& byte_table() {
  static const ByteTable table;
  return table;
}

}  // namespace

size_t gpt2_piece_end(std::string_view text, size_t at) {
  if (const size_t length = contraction(text.substr(at)); length > 0) return at + length;
  size_t next = at;
  Gpt2Kind kind = next_gpt2_kind(text, next);
  if (text[at] == ' ' && next < text.size()) {
    size_t behind = next;
    kind = next_gpt2_kind(text, behind);
    if (kind != Gpt2Kind::kSpace) next = behind;
  }
  return kind == Gpt2Kind::kSpace ? end_of_space(text, at) : end_of_run(text, next, kind);
}

bool bytes_of_token(std::string_view token, std::string& bytes) {
  bytes.clear();
  for (size_t i = 0; i < token.size();) {
    const UChar32 c = next_character(token, i);
    if (c >= 0x180 || byte_table().byte[c] < 0) return false;
    bytes.push_back(static_cast<char>(byte_table().byte[c]));
  }
  return true;
}

UChar32 character_of_byte(unsigned char byte) { return byte_table().character[byte]; }

}  // namespace espalier
