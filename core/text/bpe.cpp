#include "core/text/bpe.h"

#include <algorithm>
#include <queue>

#include "absl/container/inlined_vector.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/text/byte_level.h"
#include "core/text/utf8.h"

namespace espalier {
namespace {

uint64_t pair_key(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

absl::Status add_merge(std::string_view line, const std::string& where, Merges& out) {
  const size_t space = line.find(' ');
  if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, " is '", std::string(line), "'; a merge is two tokens and a space"));
  }
  out.emplace_back(line.substr(0, space), line.substr(space + 1));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Merges> read_merge_lines(std::string_view text) {
  Merges out;
  for (int line = 1; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view merge = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!merge.empty() && merge.back() == '\r') merge.remove_suffix(1);
    if (merge.empty() || merge.starts_with("#version")) continue;
    ESPALIER_RETURN_IF_ERROR(add_merge(merge, absl::StrCat("merges.txt: line ", line), out));
  }
  return out;
}

absl::StatusOr<Merges> read_merge_list(const Json& json) {
  Merges out;
  out.reserve(json.size());
  for (const Json& merge : json) {
    if (merge.is_array() && merge.size() == 2) {
      out.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
      continue;
    }
    const std::string line = merge.is_string() ? merge.get<std::string>() : merge.dump();
    const std::string where = absl::StrCat("tokenizer.json: model.merges[", out.size(), "]");
    ESPALIER_RETURN_IF_ERROR(add_merge(line, where, out));
  }
  return out;
}

absl::StatusOr<std::unique_ptr<Bpe>> Bpe::make(const Vocabulary& vocabulary, const Merges& merges,
                                               const BpeSettings& settings) {
  std::unique_ptr<Bpe> out(new Bpe(settings));
  ESPALIER_RETURN_IF_ERROR(out->learn(vocabulary, merges));
  out->find_whole_words(vocabulary);
  return out;
}

absl::Status Bpe::learn(const Vocabulary& vocabulary, const Merges& merges) {
  const int32_t unknown = vocabulary.find(settings_.unknown);
  if (!settings_.unknown.empty() && unknown == Vocabulary::kAbsent) {
    return absl::InvalidArgumentError(
        absl::StrCat("the vocabulary has no ", settings_.unknown,
                     ", which the tokenizer names as its unknown token"));
  }
  for (int byte = 0; byte < 256; ++byte) {
    std::string token;
    append_character(token, character_of_byte(static_cast<unsigned char>(byte)));
    bytes_[byte] = vocabulary.find(token);
    if (bytes_[byte] != Vocabulary::kAbsent) continue;
    if (settings_.fuse_unknown && unknown != Vocabulary::kAbsent) {
      return absl::InvalidArgumentError(
          absl::StrCat("the vocabulary has no token for byte ", byte,
                       ", and model.fuse_unk is true; this build does not fuse unknown bytes"));
    }
    bytes_[byte] = unknown;
  }
  merges_.reserve(merges.size());
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    const std::string merged = left + right;
    for (const std::string& token : {left, right, merged}) {
      if (vocabulary.find(token) != Vocabulary::kAbsent) continue;
      return absl::InvalidArgumentError(absl::StrCat("merge ", rank + 1, " ('", left, " ", right,
                                                     "') needs the token '", token,
                                                     "', which the vocabulary does not have"));
    }
    merges_.insert_or_assign(pair_key(vocabulary.find(left), vocabulary.find(right)),
                             Merge{static_cast<int32_t>(rank), vocabulary.find(merged)});
  }
  return absl::OkStatus();
}

void Bpe::find_whole_words(const Vocabulary& vocabulary) {
  std::string bytes;
  for (const auto& [token, id] : vocabulary) {
    if (!bytes_of_token(token, bytes)) continue;
    bool is_whole = settings_.ignore_merges;
    if (!is_whole) {
      merge(bytes, [&, id = id](int32_t piece, size_t, size_t end) {
        is_whole = piece == id && end == bytes.size();
      });
    }
    if (is_whole) whole_words_.insert(bytes, id);
  }
}

const Bpe::Merge* Bpe::find(int32_t left, int32_t right) const {
  const auto it = merges_.find(pair_key(left, right));
  return it == merges_.end() ? nullptr : &it->second;
}

void Bpe::take_apart(const Normalized& text, size_t begin, size_t end, Pieces& out) const {
  const bool add_space = settings_.prefix_space || out.is_word;
  if (!add_space || text.text[begin] == ' ') {
    add_words(text, begin, end, out);
    return;
  }
  Normalized spaced;
  spaced.text.reserve(end - begin + 1);
  spaced.text.push_back(' ');
  spaced.text.append(text.text, begin, end - begin);
  if (text.traced) {
    spaced.places.push_back(text.places[begin]);  // the space stands where the first character does
    spaced.places.insert(spaced.places.end(), text.places.begin() + static_cast<int64_t>(begin),
                         text.places.begin() + static_cast<int64_t>(end));
  }
  add_words(spaced, 0, spaced.text.size(), out);
}

void Bpe::add_words(const Normalized& text, size_t begin, size_t end, Pieces& out) const {
  const std::string_view part = std::string_view(text.text).substr(0, end);
  for (size_t at = begin; at < end;) {
    const size_t word_end = gpt2_piece_end(part, at);
    const std::string_view word = part.substr(at, word_end - at);
    if (const int32_t whole = whole_words_.find(word); whole != Trie::kAbsent) {
      out.add(whole, text, at, word_end);
    } else {
      merge(word, [&](int32_t id, size_t piece, size_t piece_end) {
        out.add(id, text, at + piece, at + piece_end);
      });
    }
    at = word_end;
  }
}

// A token of the word; those that were merged into the one before them have no id.
struct Bpe::Symbol {
  int32_t id;
  int32_t begin, end;     // bytes
  int32_t before, after;  // symbols; -1: none
};

// A merge that was possible when it was found.
struct Bpe::Candidate {
  Merge merge;
  int32_t left;
  bool operator<(const Candidate& other) const {  // the queue hands out the greatest
    return merge.rank != other.merge.rank ? merge.rank > other.merge.rank : left > other.left;
  }
};

template <class Sink>
void Bpe::merge(std::string_view word, Sink&& sink) const {
  constexpr size_t kUsual = 32;  // longer words go to the heap
  absl::InlinedVector<Symbol, kUsual> symbols;
  for (size_t i = 0; i < word.size(); ++i) {
    const int32_t id = bytes_[static_cast<unsigned char>(word[i])], at = static_cast<int32_t>(i);
    if (id == Vocabulary::kAbsent) continue;
    const auto here = static_cast<int32_t>(symbols.size());
    symbols.push_back({id, at, at + 1, here - 1, here + 1});
  }
  if (symbols.empty()) return;
  symbols.back().after = -1;

  std::priority_queue<Candidate, absl::InlinedVector<Candidate, kUsual>> queue;
  const auto consider = [&](int32_t left) {
    if (left < 0 || symbols[left].after < 0) return;
    if (const Merge* found = find(symbols[left].id, symbols[symbols[left].after].id))
      queue.push({*found, left});
  };
  for (size_t i = 0; i + 1 < symbols.size(); ++i) consider(static_cast<int32_t>(i));
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = symbols[best.left];
    if (left.id < 0 || left.after < 0) continue;
    Symbol& right = symbols[left.after];
    const Merge* found = find(left.id, right.id);  // the neighbours may have changed since
    if (found == nullptr || found->id != best.merge.id) continue;
    left.id = best.merge.id;
    left.end = right.end;
    left.after = right.after;
    right.id = -1;
    if (left.after >= 0) symbols[left.after].before = best.left;
    consider(left.before);
    consider(best.left);
  }
  for (int32_t i = 0; i >= 0; i = symbols[i].after)
    sink(symbols[i].id, static_cast<size_t>(symbols[i].begin), static_cast<size_t>(symbols[i].end));
}

}  // namespace espalier
