// Changes of plain bytes, by a seed: what libFuzzer's own mutator does, for builds without it.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/base/random.h"

namespace espalier::fuzz {

// One to eight changes: bits, bytes and ranges of them; integers of every width near their limits;
// varints; numbers in decimal; `words`; pieces of `other`. At most `most` bytes come out.
std::string mutate_bytes(std::string_view input, std::string_view other,
                         std::span<const std::string> words, size_t most, Random& random);

// One of the numbers at which something tends to end.
int64_t edge_number(Random& random);
// One of them; must not be empty.
template <class Choices>
const auto& any_of(const Choices& choices, Random& random) {
  return choices[random.below(std::size(choices))];
}

}  // namespace espalier::fuzz
