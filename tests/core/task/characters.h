// A tokenizer that tests can read: a token for each byte of the text, 1 before it and 2 behind it,
// as [CLS] a [SEP] b [SEP].
#pragma once

#include <string_view>
#include <vector>

#include "core/text/tokenizer.h"

namespace espalier::testing {

class Characters : public Tokenizer {
 public:
  std::vector<int32_t> tokenize(std::string_view text, std::vector<Span>* offsets) const override {
    std::vector<int32_t> out;
    if (offsets != nullptr) offsets->clear();
    for (const char byte : text) {
      const auto at = static_cast<int32_t>(out.size());
      if (offsets != nullptr) offsets->push_back({at, at + 1});
      out.push_back(static_cast<unsigned char>(byte));
    }
    return out;
  }
  std::vector<int32_t> tokenize_word(std::string_view word,
                                     std::vector<Span>* offsets) const override {
    return tokenize(word, offsets);
  }
  Encoding join(std::span<const int32_t> first, std::span<const int32_t> second,
                bool has_pair) const override {
    Encoding out;
    add(out, 1, 0);
    out.first_begin = 1;
    for (const int32_t id : first) add(out, id, 0);
    add(out, 2, 0);
    if (!has_pair) return out;
    out.second_begin = static_cast<int32_t>(out.ids.size());
    for (const int32_t id : second) add(out, id, 1);
    add(out, 2, 1);
    return out;
  }
  int added_tokens(bool has_pair) const override { return has_pair ? 3 : 2; }
  int vocabulary() const override { return 256; }
  SpecialTokens specials() const override { return {.first = 1, .separator = 2}; }

 private:
  static void add(Encoding& out, int32_t id, int32_t type) {
    out.ids.push_back(id);
    out.types.push_back(type);
  }
};

}  // namespace espalier::testing
