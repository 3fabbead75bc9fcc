#include "core/text/tokenizer.h"

#include <algorithm>
#include <set>

namespace espalier {

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

Encoding Tokenizer::encode(std::string_view text, std::string_view pair, bool has_pair,
                           int max_length) const {
  std::vector<int32_t> a = tokenize(text), b;
  if (has_pair) b = tokenize(pair);
  const auto budget = static_cast<size_t>(std::max(max_length - added_tokens(has_pair), 0));
  const auto [first, second] = has_pair ? truncate_longest_first(a.size(), b.size(), budget)
                                        : std::pair(std::min(a.size(), budget), size_t{0});
  Encoding out = join(std::span(a).first(first), std::span(b).first(second), has_pair);
  out.truncated = first < a.size() || second < b.size();
  return out;
}

std::vector<int32_t> Tokenizer::special_ids() const {
  const SpecialTokens named = specials();
  std::set<int32_t> out = {named.pad, named.unknown, named.first, named.separator, named.mask};
  out.erase(-1);
  return {out.begin(), out.end()};
}

}  // namespace espalier
