// The masks of masked language modelling, as BERT draws them (Devlin et al. 2019): 15 % of a row's
// words are asked for; of these 80 % become the mask token, 10 % another word, and 10 % stay what
// they are. The number is 15 % rounded, and at least 1, as in BERT's own code. transformers'
// DataCollatorForLanguageModeling draws every token by itself, so that many a short row asks for
// nothing, and may put special tokens where a word is drawn; else it does the same.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/text/tokenizer.h"

namespace espalier {

// What a vocabulary holds: special tokens, which are never asked for and never drawn, and words.
struct MaskVocabulary {
  int32_t size = 0;              // words are below
  int32_t mask = -1;             // -1: it has none
  std::vector<int32_t> special;  // rising

  bool is_word(int32_t id) const;
};

// The tokenizer's; a model whose word table is smaller than that knows the first `words` only.
MaskVocabulary mask_vocabulary(const Tokenizer& tokenizer, int32_t words);

struct Masked {
  std::vector<int32_t> ids;    // what the model reads
  std::vector<int32_t> asked;  // rising places in `ids`; none where there is no word
  std::vector<int32_t> words;  // what stood there
};

// A function of its arguments alone: equal rows are masked alike, and rows that differ are masked
// independently of each other though their seeds are equal.
Masked draw_masks(std::span<const int32_t> ids, const MaskVocabulary& vocabulary, uint64_t seed);

}  // namespace espalier
