// Text to words, as BERT splits it: normalise, cut at white space, every punctuation mark a word.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "core/text/settings.h"

namespace espalier {

// A word in normalised UTF-8 and its length in characters.
struct Word {
  std::string_view text;
  size_t characters;
};

// Calls `sink` for the words of `text` in order; a Word lives until its call returns. Bytes that
// are not UTF-8 count as U+FFFD. Plain ASCII, most of English, takes a path of its own that touches
// no ICU.
class WordSplitter {
 public:
  explicit WordSplitter(BertSettings settings);
  template <class Sink>
  void split(std::string_view text, Sink&& sink) const {
    std::string words;
    if (!split_ascii(text, words)) split_unicode(text, words);
    emit(words, sink);
  }

 private:
  // Both append words to `out`, each ended by kEnd (a byte that UTF-8 never holds). split_ascii
  // gives up, with `out` empty, at the first byte beyond ASCII.
  static constexpr char kEnd = '\xFF';
  bool split_ascii(std::string_view text, std::string& out) const;
  void split_unicode(std::string_view text, std::string& out) const;

  template <class Sink>
  static void emit(std::string_view words, Sink&& sink) {
    size_t begin = 0, characters = 0;
    for (size_t i = 0; i < words.size(); ++i) {
      if (words[i] != kEnd) {
        characters += (words[i] & 0xC0) != 0x80;
        continue;
      }
      sink(Word{words.substr(begin, i - begin), characters});
      begin = i + 1;
      characters = 0;
    }
  }

  enum class Kind : unsigned char { kLetter, kSpace, kPunctuation, kDropped };
  struct Ascii {
    Kind kind;
    char lower;
  };
  BertSettings settings_;
  Ascii ascii_[128];
};

}  // namespace espalier
