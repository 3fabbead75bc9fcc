// One row as a model reads it, before it becomes tensors.
#pragma once

#include <cstdint>
#include <span>
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

// An Input that lies elsewhere: in one, or in the columns of a data set. To be read, not kept.
struct InputView {
  InputView() = default;
  InputView(const Input& input)  // whoever reads views reads inputs
      : ids(input.ids),
        types(input.types),
        asked(input.asked),
        pixels(input.pixels),
        image_tokens(input.image_tokens) {}

  int32_t tokens() const { return ids.empty() ? image_tokens : static_cast<int32_t>(ids.size()); }
  Input copy() const {
    return {{ids.begin(), ids.end()},
            {types.begin(), types.end()},
            {asked.begin(), asked.end()},
            {pixels.begin(), pixels.end()},
            image_tokens};
  }

  std::span<const int32_t> ids, types, asked;
  std::span<const uint8_t> pixels;
  int32_t image_tokens = 0;
};

}  // namespace espalier
