// Metrics of numbers, with the values of SciPy and scikit-learn.
#pragma once

#include <span>
#include <vector>

namespace espalier {

// Where the lengths of two spans differ, the shorter counts.

// Pearson's correlation, in [-1, 1]. NaN where it is not defined: fewer than two examples, one side
// constant, or a value that is not finite.
double pearson(std::span<const double> a, std::span<const double> b);

// Ranks 1..n, ties sharing their mean (SciPy's "average"). NaN ranks nothing: all ranks are NaN.
std::vector<double> average_ranks(std::span<const double> values);

// Pearson's correlation of the ranks; NaN as there, but infinite values have ranks.
double spearman(std::span<const double> a, std::span<const double> b);

// NaN without examples.
double mean_squared_error(std::span<const double> truth, std::span<const double> predicted);

}  // namespace espalier
