// Weights as signed 8-bit integers with one scale for each row, which is an output of a linear
// layer: value = scale x number, number in -127..127 (symmetric, as I-BERT and Q8BERT quantise
// weights, but by output instead of by tensor).
//
// A row's scale is its largest value / 127, rounded up to 17 significant bits. So a product of it
// and a number needs no more than fp32's 24 bits and is exact, and quantising what was quantised
// gives the same numbers and scales to the bit: whoever holds the values can find the integers
// again, and nothing is rounded twice.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace espalier {

struct Int8Rows {
  std::vector<int8_t> numbers;  // [rows, columns]
  std::vector<float> scales;    // [rows]
};
// `values` [rows, columns], finite. Rows that are 0, or whose largest value is below 1e-30, become
// zeros with a scale of 1. A row with a value that is not finite gets the scale NaN: what is made
// of it is NaN again, and check_int8_rows() refuses it.
Int8Rows quantise_rows(const float* values, int64_t rows, int64_t columns);

// The values [rows, columns] that numbers and scales stand for.
void dequantise_rows(const int8_t* numbers, const float* scales, int64_t rows, int64_t columns,
                     float* values);

// Whether quantise_rows() could have written this. INVALID_ARGUMENT names the tensor, the row and
// what is wrong with it.
absl::Status check_int8_rows(const std::string& name, const int8_t* numbers, const float* scales,
                             int64_t rows, int64_t columns);

}  // namespace espalier
