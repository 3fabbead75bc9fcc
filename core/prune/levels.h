// How many units each sub-layer keeps, when there are a few candidates for each.
//
// Kurtic, Frantar & Alistarh 2023 (arXiv 2302.04089) choose as SPDY does (Frantar & Alistarh 2022,
// arXiv 2201.13096): a knapsack by dynamic programming over costs in buckets, of the least sum over
// sub-layers of sensitivity x relative squared error, where 1 is a sub-layer that is gone.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace espalier {

struct Level {
  int64_t units = 0;
  double cost = 0, error = 0;
};

// From all of `units` down to none: every number, or, where `share` is below 1, what is left of
// `all` when it shrinks to this share again and again, as far as that is below `units`.
std::vector<int64_t> level_grid(int64_t units, int64_t all, double share);

// The places of one level of each sub-layer, with costs of at most `budget` together and the least
// sum of sensitivity x error. Costs are rounded up to a ten-thousandth of the budget, so that it is
// kept for certain, and a sub-layer may miss what so much would buy. Empty when nothing fits; a
// level that costs nothing always does.
std::vector<int64_t> choose_levels(const std::vector<std::vector<Level>>& sublayers,
                                   std::span<const double> sensitivity, double budget);

}  // namespace espalier
