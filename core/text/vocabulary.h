// Tokens and their ids, while a tokenizer is being loaded.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/base/options.h"

namespace espalier {

class Vocabulary {
 public:
  // vocab.txt: a token a line, its number is its id. Refuses a token that stands there twice and
  // what is not UTF-8.
  static absl::StatusOr<Vocabulary> from_lines(std::string_view text, const std::string& file);
  // vocab.json, or model.vocab of tokenizer.json: {token: id}.
  static absl::StatusOr<Vocabulary> from_json(const Json& json, const std::string& file);

  static constexpr int32_t kAbsent = -1;
  int32_t find(std::string_view token) const {
    auto it = ids_.find(absl::string_view(token.data(), token.size()));
    return it == ids_.end() ? kAbsent : it->second;
  }
  // All ids are below this.
  int32_t size() const { return size_; }
  // (token, id) in no order.
  auto begin() const { return ids_.begin(); }
  auto end() const { return ids_.end(); }

 private:
  absl::flat_hash_map<std::string, int32_t> ids_;
  int32_t size_ = 0;
};

}  // namespace espalier
