#include "core/text/wordpiece.h"

#include "absl/strings/str_cat.h"
#include "core/text/utf8.h"

namespace espalier {

WordPiece::WordPiece(const Vocabulary& vocabulary, const WordPieceSettings& settings)
    : normalizer_(settings.text),
      unknown_(vocabulary.find(settings.unknown)),
      max_characters_(settings.max_characters_per_word) {
  for (const auto& [token, id] : vocabulary) tokens_.insert(token, id);
  continuation_ = tokens_.walk(Trie::kRoot, settings.continuation);
}

absl::StatusOr<std::unique_ptr<WordPiece>> WordPiece::make(const Vocabulary& vocabulary,
                                                           const WordPieceSettings& settings) {
  if (vocabulary.find(settings.unknown) == Vocabulary::kAbsent) {
    return absl::InvalidArgumentError(
        absl::StrCat("the vocabulary has no ", settings.unknown, " among its ", vocabulary.size(),
                     " tokens; WordPiece needs a token for unknown words"));
  }
  return std::unique_ptr<WordPiece>(new WordPiece(vocabulary, settings));
}

void WordPiece::take_apart(const Normalized& text, size_t begin, size_t end, Pieces& out) const {
  const std::string_view part = std::string_view(text.text).substr(0, end);
  for (size_t at = begin; at < end;) {
    const size_t word_end = next_bert_word(part, at);
    if (at < word_end) add_word(text, at, word_end, out);
    at = word_end;
  }
}

void WordPiece::add_word(const Normalized& text, size_t begin, size_t end, Pieces& out) const {
  const std::string_view word = std::string_view(text.text).substr(begin, end - begin);
  const size_t tokens_before = out.ids.size();
  bool is_known = word.size() <= max_characters_ ||
                  static_cast<size_t>(count_characters(word)) <= max_characters_;
  for (size_t at = 0; is_known && at < word.size();) {
    const Trie::Match piece =
        tokens_.longest(at == 0 ? Trie::kRoot : continuation_, word.substr(at));
    is_known = piece.length > 0;
    if (is_known) out.add(piece.value, text, begin + at, begin + at + piece.length);
    at += piece.length;
  }
  if (is_known) return;
  out.ids.resize(tokens_before);  // one unknown piece makes the whole word unknown
  if (out.offsets != nullptr) out.offsets->resize(tokens_before);
  out.add(unknown_, text, begin, end);
}

}  // namespace espalier
