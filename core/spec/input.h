// One row as a model reads it, before it becomes tensors.
#pragma once

#include <cstdint>
#include <vector>

namespace espalier {

struct Input {
  // A text: equally many, special tokens included.
  std::vector<int32_t> ids, types;
  // Of these tokens the words are asked for, rising places in `ids`; masked language models only.
  std::vector<int32_t> asked;
  // An image: [channels, side, side] of the model's size, not yet rescaled and normalised, and the
  // number of tokens it becomes.
  std::vector<uint8_t> pixels;
  int32_t image_tokens = 0;

  int32_t tokens() const { return ids.empty() ? image_tokens : static_cast<int32_t>(ids.size()); }
};

}  // namespace espalier
