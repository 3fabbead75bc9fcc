// Text to token ids. Thread-safe after loading: every method is const and keeps no state.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace espalier {

struct Encoding {
  std::vector<int32_t> ids;    // [CLS] a [SEP] or [CLS] a [SEP] b [SEP]
  std::vector<int32_t> types;  // 0 for the first segment with its [SEP], 1 for the second
  bool truncated = false;
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  // Token ids of a plain text, no special tokens. Invalid UTF-8 becomes U+FFFD first.
  virtual std::vector<int32_t> tokenize(std::string_view text) const = 0;
  // With special tokens, cut to `max_length` tokens (a pair: longest first, as Hugging Face does).
  virtual Encoding encode(std::string_view text, std::string_view pair, bool has_pair,
                          int max_length) const = 0;
  virtual int vocabulary() const = 0;
};

// A BERT WordPiece tokenizer from a model folder: vocab.txt, and tokenizer_config.json or
// tokenizer.json for do_lower_case / strip_accents / tokenize_chinese_chars (default: lower-case,
// as bert-base-uncased). Agrees with Hugging Face `tokenizers` (BertNormalizer, BertPreTokenizer,
// WordPiece with 100 characters a word). Special tokens ([CLS], [SEP], ...) written in the text are
// kept whole.
absl::StatusOr<std::unique_ptr<Tokenizer>> load_tokenizer(const std::string& folder);

}  // namespace espalier
