// Byte-level byte pair encoding (Sennrich et al. 2016, as GPT-2 and RoBERTa do it): a word begins
// as its bytes, and the pair that was learned first is merged until none is left.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "core/text/pipeline.h"
#include "core/text/trie.h"
#include "core/text/vocabulary.h"

namespace espalier {

struct BpeSettings {
  bool prefix_space = false;   // a text that does not begin with a space gets one
  bool ignore_merges = false;  // a word that is a token is that token
  bool fuse_unknown = false;   // refused where it would matter: a byte is not in the vocabulary
  std::string unknown;         // for bytes that the vocabulary lacks; empty: they are left out
};

using Merges = std::vector<std::pair<std::string, std::string>>;
// merges.txt: two tokens a line, the first learned first.
absl::StatusOr<Merges> read_merge_lines(std::string_view text);
// model.merges of tokenizer.json: "a b" or ["a", "b"].
absl::StatusOr<Merges> read_merge_list(const Json& json);

class Bpe : public TextModel {
 public:
  static absl::StatusOr<std::unique_ptr<Bpe>> make(const Vocabulary& vocabulary,
                                                   const Merges& merges,
                                                   const BpeSettings& settings);
  void normalize(std::string_view text, int32_t first, Normalized& out) const override {
    normalize_to_itself(text, first, out);
  }
  void take_apart(const Normalized& text, size_t begin, size_t end, Pieces& out) const override;

 private:
  struct Merge {
    int32_t rank, id;
  };
  struct Symbol;
  struct Candidate;
  explicit Bpe(BpeSettings settings) : settings_(std::move(settings)) {}
  absl::Status learn(const Vocabulary& vocabulary, const Merges& merges);
  // Tokens that their own bytes are merged to: most words of a text need no merging at all.
  void find_whole_words(const Vocabulary& vocabulary);

  const Merge* find(int32_t left, int32_t right) const;
  void add_words(const Normalized& text, size_t begin, size_t end, Pieces& out) const;
  // Calls sink(id, begin, end) for the pieces of a word.
  template <class Sink>
  void merge(std::string_view word, Sink&& sink) const;

  BpeSettings settings_;
  int32_t bytes_[256];
  absl::flat_hash_map<uint64_t, Merge> merges_;  // by the ids of the pair
  Trie whole_words_;
};

}  // namespace espalier
