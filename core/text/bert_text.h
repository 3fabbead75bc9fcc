// How BERT reads text before words are looked up: cleaned, stripped of accents and case, cut at
// white space, every punctuation mark a word.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/text/pipeline.h"

namespace espalier {

struct BertSettings {
  bool clean = true;    // drop control characters, all white space becomes a space
  bool pad_cjk = true;  // every CJK ideograph is a word
  bool strip_accents = true;
  bool lower_case = true;
};

// Plain ASCII, most of English, goes through a table and touches no ICU.
class BertNormalizer {
 public:
  explicit BertNormalizer(BertSettings settings);
  // As TextModel::normalize.
  void normalize(std::string_view text, int32_t first, Normalized& out) const;

 private:
  // Takes over at the byte `at`, which is no ASCII, and returns where ASCII goes on.
  size_t normalize_unicode(std::string_view text, size_t at, int32_t& first, Normalized& out) const;

  static constexpr unsigned char kDropped = 0xFF;
  BertSettings settings_;
  unsigned char ascii_[128];  // what becomes of a character
};

// End of the word that begins at byte `at` of a normalised text, and `at` moved to where that is
// (behind white space); no word is left if both are the end of the text.
size_t next_bert_word(std::string_view text, size_t& at);

}  // namespace espalier
