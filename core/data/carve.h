// Splits that a data set has no file for, taken from train.
#pragma once

#include <cstdint>
#include <vector>

#include "core/spec/dataset_spec.h"

namespace espalier {

struct Carved {
  std::vector<std::vector<int64_t>> parts;  // rows of train, in the order drawn
  std::vector<int64_t> rest;                // rising
};

// `parts` times a tenth of train's rows, drawn with one seed for all jobs: a row that one job
// reports on is never a row that another one trained on. Questions about one context stay together,
// for an answer that was learned there would be a leak; a part then takes whole contexts until it
// has its tenth, and is empty where none is left.
Carved carve_tenths(const Rows& train, int parts);

}  // namespace espalier
