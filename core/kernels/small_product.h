// C = A B in fp32 of the sizes that attention has within a row and head: a few hundred rows and
// columns, operands in the cache, one of them with any strides. One thread's work.
#pragma once

#include <cstdint>

namespace espalier::kernels {

// A(i, k) = data[i x row + k x column].
struct Strided {
  const float* data;
  int64_t row, column;
};

// C [rows, columns] = A [rows, depth] B [depth, columns]; B and C are dense, `columns` whole
// vectors (lanes.h). A row's sums do not depend on how many rows there are.
void multiply_small(int64_t rows, int64_t columns, int64_t depth, const Strided& a, const float* b,
                    float* c);

}  // namespace espalier::kernels
