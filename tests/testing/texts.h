// Columns of texts, made of a few and shown to matchers.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/large_array.h"

namespace espalier::testing {

inline LargeLists<char> texts(std::initializer_list<std::string_view> all) {
  LargeLists<char> out;
  for (const std::string_view text : all) out.add(text);
  return out;
}

// EXPECT_THAT(texts_in(rows.text), ElementsAre("a", "b"))
inline std::vector<std::string> texts_in(const LargeLists<char>& lists) {
  std::vector<std::string> out;
  for (int64_t i = 0; i < lists.size(); ++i) out.emplace_back(text_of(lists, i));
  return out;
}

}  // namespace espalier::testing
