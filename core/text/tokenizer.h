// Text to token ids. Thread-safe after loading: every method is const and keeps no state.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace espalier {

struct Encoding {
  std::vector<int32_t> ids;    // the special tokens included: [CLS] a [SEP] b [SEP]
  std::vector<int32_t> types;  // as the tokenizer's template says; BERT: 1 for b and its [SEP]
  bool truncated = false;
  int32_t first_begin = 0, second_begin = 0;  // where a and b stand in `ids`; b: 0 without a pair
};

// Code points [begin, end) of a text.
struct Span {
  int32_t begin = 0, end = 0;
  bool operator==(const Span&) const = default;
};

// Ids of the tokens that have a name; -1 for what the tokenizer does not have.
struct SpecialTokens {
  int32_t pad = -1, unknown = -1;
  int32_t first = -1, separator = -1;  // [CLS] and [SEP], or <s> and </s>
  int32_t mask = -1;
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  // Token ids of a plain text, no special tokens. Invalid UTF-8 becomes U+FFFD first. `offsets`, if
  // given, becomes the place of every token in the text, as Hugging Face says it (a token that is
  // part of a character has the whole character).
  virtual std::vector<int32_t> tokenize(std::string_view text,
                                        std::vector<Span>* offsets = nullptr) const = 0;
  // The same for one word of a text that was split before (`is_split_into_words`): byte-level BPE
  // puts a space before it. Offsets count from the word's start.
  virtual std::vector<int32_t> tokenize_word(std::string_view word,
                                             std::vector<Span>* offsets = nullptr) const = 0;
  // Tokenized texts with the special tokens around them; nothing is cut.
  virtual Encoding join(std::span<const int32_t> first, std::span<const int32_t> second,
                        bool has_pair) const = 0;
  // How many special tokens join() adds.
  virtual int added_tokens(bool has_pair) const = 0;
  // tokenize and join, cut to `max_length` tokens (a pair: longest first, as Hugging Face does).
  virtual Encoding encode(std::string_view text, std::string_view pair, bool has_pair,
                          int max_length) const;
  // All ids are below this.
  virtual int vocabulary() const = 0;
  virtual SpecialTokens specials() const = 0;
  // Ids of all special tokens, rising: those that have a name, and added ones that the files call
  // special.
  virtual std::vector<int32_t> special_ids() const;
  // A token as a text writes it, UTF-8: "film", "##s", "[MASK]"; byte-level tokens with their
  // space, " film". Empty for ids without a token.
  virtual std::string written(int32_t /*id*/) const { return {}; }
};

// The tokenizer of a model folder. It agrees with Hugging Face `tokenizers` on
// - WordPiece (BERT, DistilBERT, ELECTRA, MPNet) from tokenizer.json or vocab.txt,
// - byte-level BPE (RoBERTa) from tokenizer.json or vocab.json and merges.txt.
// tokenizer.json wins where both are; tokenizer_config.json overrides do_lower_case, strip_accents,
// tokenize_chinese_chars and add_prefix_space, and says with special_tokens_map.json which tokens
// are special. Without any of them: as bert-base-uncased, or roberta-base. What this build cannot
// do exactly is refused.
absl::StatusOr<std::unique_ptr<Tokenizer>> load_tokenizer(const std::string& folder);
// SHA-256 of every file that load_tokenizer() may read there: where it is the same, so are ids.
absl::StatusOr<std::string> tokenizer_digest(const std::string& folder);

// Lengths that a pair is cut to so that both fit into `budget`: the longer gives first, and the
// second keeps the odd token.
std::pair<size_t, size_t> truncate_longest_first(size_t first, size_t second, size_t budget);

}  // namespace espalier
