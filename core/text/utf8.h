// UTF-8, byte by byte and character by character.
#pragma once

#include <unicode/utf8.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace espalier {

// The character at byte `i`, and `i` moved behind it. `text` must be UTF-8.
inline UChar32 next_character(std::string_view text, size_t& i) {
  const auto byte = static_cast<unsigned char>(text[i]);
  if (byte < 0x80) {
    ++i;
    return byte;
  }
  UChar32 c;
  U8_NEXT_UNSAFE(text.data(), i, c);
  return c;
}

inline void append_character(std::string& out, UChar32 c) {
  char buffer[U8_MAX_LENGTH];
  int32_t length = 0;
  U8_APPEND_UNSAFE(buffer, length, c);
  out.append(buffer, static_cast<size_t>(length));
}

inline bool begins_character(char byte) { return (byte & 0xC0) != 0x80; }

inline int32_t count_characters(std::string_view text) {
  int32_t out = 0;
  for (const char byte : text) out += begins_character(byte);
  return out;
}

bool is_utf8(std::string_view text);
// With U+FFFD for what is not UTF-8.
std::string repair_utf8(std::string_view text);

}  // namespace espalier
