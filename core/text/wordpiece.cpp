#include "core/text/wordpiece.h"

#include <algorithm>

#include "core/base/files.h"
#include "core/base/status_macros.h"

namespace espalier {
namespace {

constexpr size_t kMaxCharactersPerWord = 100;

bool is_utf8_boundary(std::string_view text, size_t i) {
  return i >= text.size() || (text[i] & 0xC0) != 0x80;
}

}  // namespace

WordPieceTokenizer::WordPieceTokenizer(Vocabulary vocabulary, BertSettings settings)
    : vocabulary_(std::move(vocabulary)),
      splitter_(settings),
      unknown_(vocabulary_.find("[UNK]")),
      first_(vocabulary_.find("[CLS]")),
      separator_(vocabulary_.find("[SEP]")) {
  for (const char* token : {"[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"}) {
    if (int32_t id = vocabulary_.find(token); id != Vocabulary::kAbsent)
      special_.emplace_back(token, id);
  }
}

std::vector<int32_t> WordPieceTokenizer::tokenize(std::string_view text) const {
  std::vector<int32_t> out;
  out.reserve(text.size() / 4 + 4);
  // All special tokens begin with '[' and none begins another, so the first match is the right one.
  for (size_t at = text.find('['); at != std::string_view::npos;) {
    const auto* match = static_cast<const std::pair<std::string, int32_t>*>(nullptr);
    for (const auto& special : special_) {
      if (text.compare(at, special.first.size(), special.first) == 0) match = &special;
    }
    if (match == nullptr) {
      at = text.find('[', at + 1);
      continue;
    }
    add_plain(text.substr(0, at), out);
    out.push_back(match->second);
    text.remove_prefix(at + match->first.size());
    at = text.find('[');
  }
  add_plain(text, out);
  return out;
}

void WordPieceTokenizer::add_plain(std::string_view text, std::vector<int32_t>& out) const {
  if (!text.empty()) splitter_.split(text, [&](const Word& word) { add_word(word, out); });
}

void WordPieceTokenizer::add_word(const Word& word, std::vector<int32_t>& out) const {
  const size_t before = out.size();
  std::string_view rest = word.text;
  while (!rest.empty()) {
    int32_t id = Vocabulary::kAbsent;
    size_t length =
        word.characters > kMaxCharactersPerWord ? 0 : std::min(rest.size(), vocabulary_.longest());
    for (; length > 0; --length) {
      if (!is_utf8_boundary(rest, length)) continue;
      const std::string_view piece = rest.substr(0, length);
      id = out.size() == before ? vocabulary_.find(piece) : vocabulary_.find_continuation(piece);
      if (id != Vocabulary::kAbsent) break;
    }
    if (id == Vocabulary::kAbsent) {  // one unknown piece makes the whole word unknown
      out.resize(before);
      out.push_back(unknown_);
      return;
    }
    out.push_back(id);
    rest.remove_prefix(length);
  }
}

std::pair<size_t, size_t> truncate_longest_first(size_t first, size_t second, size_t budget) {
  if (first + second <= budget) return {first, second};
  const bool swapped = first > second;
  size_t shorter = std::min(first, second);
  size_t longer = shorter > budget ? shorter : std::max(shorter, budget - shorter);
  if (shorter + longer > budget) {
    shorter = budget / 2;
    longer = shorter + budget % 2;
  }
  return swapped ? std::pair(longer, shorter) : std::pair(shorter, longer);
}

Encoding WordPieceTokenizer::encode(std::string_view text, std::string_view pair, bool has_pair,
                                    int max_length) const {
  std::vector<int32_t> a = tokenize(text), b;
  if (has_pair) b = tokenize(pair);
  const size_t marks = has_pair ? 3 : 2;
  const size_t budget =
      max_length > static_cast<int>(marks) ? static_cast<size_t>(max_length) - marks : 0;
  const auto [first, second] = has_pair ? truncate_longest_first(a.size(), b.size(), budget)
                                        : std::pair(std::min(a.size(), budget), size_t{0});
  Encoding out;
  out.truncated = first < a.size() || second < b.size();
  out.ids.reserve(first + second + marks);
  out.ids.push_back(first_);
  out.ids.insert(out.ids.end(), a.begin(), a.begin() + static_cast<int64_t>(first));
  out.ids.push_back(separator_);
  out.types.assign(out.ids.size(), 0);
  if (has_pair) {
    out.ids.insert(out.ids.end(), b.begin(), b.begin() + static_cast<int64_t>(second));
    out.ids.push_back(separator_);
    out.types.resize(out.ids.size(), 1);
  }
  return out;
}

absl::StatusOr<std::unique_ptr<Tokenizer>> load_tokenizer(const std::string& folder) {
  ESPALIER_ASSIGN_OR_RETURN(std::string text, read_file(folder + "/vocab.txt"));
  ESPALIER_ASSIGN_OR_RETURN(Vocabulary vocabulary, Vocabulary::read(text));
  ESPALIER_ASSIGN_OR_RETURN(BertSettings settings, read_bert_settings(folder));
  return std::make_unique<WordPieceTokenizer>(std::move(vocabulary), settings);
}

}  // namespace espalier
