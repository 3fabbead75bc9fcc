// Tokens that are looked for in the text itself, before it is taken apart: special tokens and what
// users added to a vocabulary.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/text/trie.h"

namespace espalier {

struct AddedToken {
  std::string content;
  int32_t id = -1;
  bool single_word = false;             // not inside a word
  bool lstrip = false, rstrip = false;  // takes the white space before, after it along
  bool normalized = false;              // looked for in the normalised text
  bool special = false;                 // no word of a text
};

// Leftmost, then longest, as Hugging Face's AddedVocabulary.
class AddedTokens {
 public:
  // The contents as they are looked for; of two with one content the last counts.
  explicit AddedTokens(std::vector<AddedToken> tokens);

  // Calls sink(begin, end, id) for the parts of `text` in order; id is -1 for plain text. No part
  // is empty.
  template <class Sink>
  void split(std::string_view text, Sink&& sink) const {
    Search search;
    for (Part part; !tokens_.empty() && find(text, search, part);) {
      if (search.done < part.begin) sink(search.done, part.begin, -1);
      sink(part.begin, part.end, part.id);
      search.done = part.end;
    }
    if (search.done < text.size()) sink(search.done, text.size(), -1);
  }
  bool empty() const { return tokens_.empty(); }

 private:
  struct Search {
    size_t at = 0;    // where to look next
    size_t done = 0;  // what was handed out
  };
  struct Part {
    size_t begin, end;
    int32_t id;
  };
  bool find(std::string_view text, Search& search, Part& part) const;

  std::vector<AddedToken> tokens_;
  Trie contents_;  // to the place in tokens_
  bool begins_[256] = {};
};

}  // namespace espalier
