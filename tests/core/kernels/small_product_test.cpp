#include "core/kernels/small_product.h"

#include <gtest/gtest.h>

#include <vector>

namespace espalier::kernels {
namespace {

// Small whole numbers: their sums are exact in any order.
std::vector<float> numbers(int64_t count, int64_t step) {
  std::vector<float> out;
  for (int64_t i = 0; i < count; ++i) out.push_back(static_cast<float>(i * step % 13 - 6));
  return out;
}

void expect_product(int64_t rows, int64_t columns, int64_t depth, bool transposed) {
  const auto a = numbers(rows * depth, 5), b = numbers(depth * columns, 7);
  const Strided left = transposed ? Strided{a.data(), 1, rows} : Strided{a.data(), depth, 1};
  std::vector<float> c(static_cast<size_t>(rows * columns), -1);
  multiply_small(rows, columns, depth, left, b.data(), c.data());
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      float sum = 0;
      for (int64_t k = 0; k < depth; ++k)
        sum += left.data[i * left.row + k * left.column] * b[static_cast<size_t>(k * columns + j)];
      ASSERT_EQ(c[static_cast<size_t>(i * columns + j)], sum)
          << rows << " rows, " << i << ", " << j;
    }
  }
}

TEST(SmallProduct, AddsUpWhatAPlainLoopDoes) {
  for (const bool transposed : {false, true}) {
    for (int64_t rows : {1, 4, 7, 8, 23}) {  // tiles of 8, 4 and 1
      expect_product(rows, 16, 5, transposed);
      expect_product(rows, 80, 32, transposed);  // an odd vector at the end
    }
  }
}

}  // namespace
}  // namespace espalier::kernels
