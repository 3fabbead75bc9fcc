#include "core/text/utf8.h"

#include <cstring>

namespace espalier {

bool is_utf8(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    if (uint64_t eight; i + sizeof(eight) <= text.size()) {  // most text is ASCII: eight at a time
      std::memcpy(&eight, text.data() + i, sizeof(eight));
      if ((eight & 0x8080808080808080u) == 0) {
        i += sizeof(eight);
        continue;
      }
    }
    UChar32 c;
    U8_NEXT(text.data(), i, text.size(), c);
    if (c < 0) return false;
  }
  return true;
}

std::string repair_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 4);
  for (size_t i = 0; i < text.size();) {
    UChar32 c;
    U8_NEXT_OR_FFFD(text.data(), i, text.size(), c);
    append_character(out, c);
  }
  return out;
}

}  // namespace espalier
