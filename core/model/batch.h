// A batch as every backend gets it: packed, without padding. A backend that wants padding makes it.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

namespace espalier {

using torch::Tensor;

struct Batch {
  Tensor ids, types;  // [N] int64, the rows' tokens one after the other; text only
  Tensor pixels;      // [B, patches, channels * side * side], images only; see embedding.h
  std::vector<int64_t> lengths;  // [B], their sum is N, each at least 1
  Tensor labels;                 // [B] int64, or undefined

  int64_t rows() const { return static_cast<int64_t>(lengths.size()); }
  int64_t tokens() const;
  int64_t longest() const;
  // First token of each row, [B + 1] with N at the end.
  std::vector<int64_t> offsets() const;
};

}  // namespace espalier
