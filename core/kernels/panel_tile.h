// What the products of all number formats do with panels: which tiles there are, what is fetched
// while one is computed, and, behind a tile's sums, f, the residual, and off to the result.
#pragma once

#include <algorithm>

#include "core/kernels/panel_linear.h"

namespace espalier::kernels {

// In every format a panel is steps of 192 bytes: one input's weights in fp32, two inputs' in bf16,
// four inputs' in 8 bits.
constexpr int64_t kStepLines = 3, kStepBytes = kStepLines * 64;

// Rows of one panel that are computed at a time. Meanwhile `lines` lines a step are fetched from
// `ahead` on, or none.
struct TileRows {
  int64_t panel, first, count;
  const char* ahead;
  int64_t lines;
};

// Panels [first, last) of `rows` rows, in tiles of at most `most`.
struct PanelRange {
  const void* panels;  // the first of all
  int64_t steps;       // of each panel
  int64_t first, last, rows, most;
};

// run(tile) for all tiles of a panel, and then of the next one, which the first tiles fetch.
template <class Run>
void for_each_tile(const PanelRange& of, Run&& run) {
  const int64_t tiles = (of.rows + of.most - 1) / of.most, bytes = of.steps * kStepBytes;
  if (tiles == 0) return;
  const int64_t parts = std::min(tiles, kStepLines), lines = (kStepLines + parts - 1) / parts;
  for (int64_t panel = of.first; panel < of.last; ++panel) {
    const char* next = static_cast<const char*>(of.panels) + (panel + 1) * bytes;
    for (int64_t t = 0, begin = 0; t < tiles; ++t) {
      const int64_t end = of.rows * (t + 1) / tiles;
      const bool fetches = panel + 1 < of.last && t * lines < kStepLines;
      run(TileRows{panel, begin, end - begin, fetches ? next + t * lines * of.steps * 64 : nullptr,
                   fetches ? std::min(lines, kStepLines - t * lines) : 0});
      begin = end;
    }
  }
}

struct TileSums {
  float* values;          // [rows][48], aligned, overwritten
  int64_t rows, columns;  // columns: of a panel that is not full, the first ones
};

// y = f(sums) + add; add may be null, or y. y and add begin at the tile's first row and column.
void finish_tile(const TileSums& sums, After after, const float* add, int64_t add_stride, float* y,
                 int64_t y_stride);

// Where a product's results go, and what is added to them; both begin at its first row and at
// output 0.
struct Results {
  float* y;
  int64_t y_stride, outputs;
  After after;
  const float* add;  // or null
  int64_t add_stride;

  void take(const TileRows& tile, float* sums) const {
    const int64_t column = tile.panel * PanelLinear::kPanel;
    finish_tile({sums, tile.count, std::min(PanelLinear::kPanel, outputs - column)}, after,
                add == nullptr ? nullptr : add + tile.first * add_stride + column, add_stride,
                y + tile.first * y_stride + column, y_stride);
  }
};

}  // namespace espalier::kernels
