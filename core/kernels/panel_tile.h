// What is done with a tile's sums: f, the residual, and off to the result.
#pragma once

#include "core/kernels/panel_linear.h"

namespace espalier::kernels {

struct TileSums {
  float* values;          // [rows][48], aligned, overwritten
  int64_t rows, columns;  // columns: of a panel that is not full, the first ones
};

// y = f(sums) + add; add may be null, or y. y and add begin at the tile's first row and column.
void finish_tile(const TileSums& sums, After after, const float* add, int64_t add_stride, float* y,
                 int64_t y_stride);

}  // namespace espalier::kernels
