// BERT's tokenizer: special tokens cut out, words split, each word taken apart greedily from its
// start.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/text/tokenizer.h"
#include "core/text/vocabulary.h"
#include "core/text/words.h"

namespace espalier {

class WordPieceTokenizer : public Tokenizer {
 public:
  WordPieceTokenizer(Vocabulary vocabulary, BertSettings settings);

  std::vector<int32_t> tokenize(std::string_view text) const override;
  Encoding encode(std::string_view text, std::string_view pair, bool has_pair,
                  int max_length) const override;
  int vocabulary() const override { return vocabulary_.size(); }

 private:
  void add_plain(std::string_view text, std::vector<int32_t>& out) const;
  void add_word(const Word& word, std::vector<int32_t>& out) const;

  Vocabulary vocabulary_;
  WordSplitter splitter_;
  std::vector<std::pair<std::string, int32_t>> special_;
  int32_t unknown_, first_, separator_;
};

// Lengths that a pair is cut to so that both fit into `budget`: the longer gives first, and the
// second keeps the odd token.
std::pair<size_t, size_t> truncate_longest_first(size_t first, size_t second, size_t budget);

}  // namespace espalier
