// A picture in memory.
#pragma once

#include <cstdint>
#include <vector>

namespace espalier {

struct Image {
  int height = 0, width = 0;    // at least 1
  int channels = 3;             // 3: red, green, blue; 1: grey
  std::vector<uint8_t> pixels;  // [height, width, channels]
};

}  // namespace espalier
