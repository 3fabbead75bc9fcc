// How the tokens of a batch lie when they are packed: row after row, without padding. Shared by all
// hidden states of a walk.
#pragma once

#include <vector>

#include "core/model/linear.h"

namespace espalier {

struct TokenRows {
  std::vector<int64_t> lengths, offsets;  // [B], [B+1]
  int64_t longest = 0;
  Tensor first;  // [B] int64: each row's first token

  TokenRows(std::vector<int64_t> lengths, torch::Device device);
  int64_t count() const { return static_cast<int64_t>(lengths.size()); }
  int64_t tokens() const { return offsets.back(); }
  // No row would be padded.
  bool is_even() const { return tokens() == count() * longest; }
  // Of every token, [N] int64: its row, its position in the row, its index in the flattened [B,T]
  // grid.
  Tensor row_of_token() const;
  Tensor positions() const;
  Tensor grid() const;
  // [B,1,1,T] bool, true where a key is no padding; undefined when no row is padded.
  Tensor key_mask() const;
  // The tokens of these rows, [n] int64, in the order of `rows` (int64, on the CPU).
  std::vector<int64_t> tokens_of(const Tensor& rows) const;
  std::vector<int64_t> lengths_of(const Tensor& rows) const;
};

// Mean over each row's tokens: [N,D] -> [B,D].
Tensor row_means(const Tensor& x, const TokenRows& rows);

}  // namespace espalier
