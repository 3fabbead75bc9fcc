#include "core/spec/int8_rows.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"

namespace espalier {
namespace {

constexpr float kMostNumber = 127.0F;
constexpr float kLeastRow = 1e-30F;
// The bits of a float that a scale leaves unused: 24 significant ones less the 7 of a number.
constexpr uint32_t kUnusedBits = (1U << 7) - 1;

float scale_of(float largest) {
  const auto bits = std::bit_cast<uint32_t>(largest / kMostNumber);
  return std::bit_cast<float>((bits + kUnusedBits) & ~kUnusedBits);
}

}  // namespace

Int8Rows quantise_rows(const float* values, int64_t rows, int64_t columns) {
  Int8Rows out;
  out.numbers.resize(static_cast<size_t>(rows * columns));
  out.scales.assign(static_cast<size_t>(rows), 1.0F);
  int8_t* numbers = out.numbers.data();
  for (int64_t r = 0; r < rows; ++r, values += columns, numbers += columns) {
    float largest = 0;
    bool finite = true;
    for (int64_t c = 0; c < columns; ++c) {
      largest = std::max(largest, std::abs(values[c]));
      finite = finite && std::isfinite(values[c]);
    }
    float& scale = out.scales[static_cast<size_t>(r)];
    if (!finite) scale = std::numeric_limits<float>::quiet_NaN();
    if (!finite || largest < kLeastRow) continue;
    scale = scale_of(largest);
    for (int64_t c = 0; c < columns; ++c)
      numbers[c] = static_cast<int8_t>(std::lrint(values[c] / scale));
  }
  return out;
}

void dequantise_rows(const int8_t* numbers, const float* scales, int64_t rows, int64_t columns,
                     float* values) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) *values++ = scales[r] * static_cast<float>(*numbers++);
  }
}

absl::Status check_int8_rows(const std::string& name, const int8_t* numbers, const float* scales,
                             int64_t rows, int64_t columns) {
  for (int64_t r = 0; r < rows; ++r, numbers += columns) {
    const float scale = scales[r];
    auto bad = [&](const std::string& what) {
      return absl::InvalidArgumentError(absl::StrCat("tensor ", name, ": ", what));
    };
    if (!(scale > 0) || !std::isfinite(scale * kMostNumber)) {
      return bad(absl::StrCat("the scale of row ", r, " is ", scale,
                              "; scales are finite numbers above 0"));
    }
    int largest = 0;
    for (int64_t c = 0; c < columns; ++c) largest = std::max(largest, std::abs(int{numbers[c]}));
    // Of other numbers and scales the integers could not be found again.
    if (largest != 0 && (largest != 127 || scale * kMostNumber < kLeastRow ||
                         (std::bit_cast<uint32_t>(scale) & kUnusedBits) != 0)) {
      return bad(absl::StrCat("row ", r, " has the scale ", scale, " and numbers up to ", largest,
                              "; a scale has 17 significant bits and the largest number is 127"));
    }
  }
  return absl::OkStatus();
}

}  // namespace espalier
