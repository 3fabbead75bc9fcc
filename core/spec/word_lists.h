// The words of texts, a list a row, of any size in all (large_array.h).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/large_array.h"

namespace espalier {

class WordLists {
 public:
  int64_t size() const { return ends_.size(); }
  bool empty() const { return ends_.empty(); }
  void add(std::span<const std::string> words) {
    for (const std::string& word : words) words_.add(word);
    ends_.add(static_cast<uint64_t>(words_.size()));
  }
  // The words are views, valid until the next change.
  std::vector<std::string_view> operator[](int64_t row) const {
    std::vector<std::string_view> out;
    for (int64_t i = row == 0 ? 0 : end(row - 1); i < end(row); ++i)
      out.push_back(text_of(words_, i));
    return out;
  }

 private:
  int64_t end(int64_t row) const { return static_cast<int64_t>(ends_[row]); }

  LargeLists<char> words_;     // of all rows, one after the other
  LargeArray<uint64_t> ends_;  // of each row's words
};

}  // namespace espalier
