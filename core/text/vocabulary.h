// vocab.txt: a WordPiece vocabulary with an id for each line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace espalier {

class Vocabulary {
 public:
  // Refuses a token that stands there twice, and a list without [UNK], [CLS] or [SEP].
  static absl::StatusOr<Vocabulary> read(std::string_view text);

  static constexpr int32_t kAbsent = -1;
  // Id of a token as it stands in the file.
  int32_t find(std::string_view token) const { return look_up(starts_, token); }
  // Id of a token that continues a word; `piece` comes without the "##".
  int32_t find_continuation(std::string_view piece) const { return look_up(continuations_, piece); }
  // Bytes of the longest token, "##" not counted: no longer piece need be tried.
  size_t longest() const { return longest_; }
  int32_t size() const { return size_; }

 private:
  using Map = absl::flat_hash_map<std::string, int32_t>;
  static int32_t look_up(const Map& map, std::string_view key) {
    auto it = map.find(absl::string_view(key.data(), key.size()));
    return it == map.end() ? kAbsent : it->second;
  }
  Map starts_, continuations_;
  size_t longest_ = 0;
  int32_t size_ = 0;
};

}  // namespace espalier
