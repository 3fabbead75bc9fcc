// WordPiece: each word is taken apart greedily from its start.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/text/bert_text.h"
#include "core/text/pipeline.h"
#include "core/text/trie.h"
#include "core/text/vocabulary.h"

namespace espalier {

struct WordPieceSettings {
  BertSettings text;
  std::string unknown = "[UNK]";         // must be in the vocabulary
  std::string continuation = "##";       // what pieces inside a word are written with
  size_t max_characters_per_word = 100;  // longer words are unknown
};

class WordPiece : public TextModel {
 public:
  static absl::StatusOr<std::unique_ptr<WordPiece>> make(const Vocabulary& vocabulary,
                                                         const WordPieceSettings& settings);
  void normalize(std::string_view text, int32_t first, Normalized& out) const override {
    normalizer_.normalize(text, first, out);
  }
  void take_apart(const Normalized& text, size_t begin, size_t end, Pieces& out) const override;

 private:
  WordPiece(const Vocabulary& vocabulary, const WordPieceSettings& settings);
  void add_word(const Normalized& text, size_t begin, size_t end, Pieces& out) const;

  BertNormalizer normalizer_;
  Trie tokens_;              // as they are written, "##" included
  Trie::Node continuation_;  // where the walk of a piece inside a word begins
  int32_t unknown_;
  size_t max_characters_;
};

}  // namespace espalier
