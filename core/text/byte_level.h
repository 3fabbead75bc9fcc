// GPT-2's reading of text: cut by its pattern, every byte a character of its own.
#pragma once

#include <unicode/utypes.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace espalier {

// End of the piece that begins at byte `at` < text.size(): what GPT-2's pattern
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// matches there. Pieces follow each other without a gap.
size_t gpt2_piece_end(std::string_view text, size_t at);

// The bytes of a token as vocabularies write it (GPT-2's bytes_to_unicode: printable Latin-1 is
// itself, other bytes are U+0100 and up in order). False for what no bytes become.
bool bytes_of_token(std::string_view token, std::string& bytes);
// How a byte is written.
UChar32 character_of_byte(unsigned char byte);

}  // namespace espalier
