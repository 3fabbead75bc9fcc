// Metrics as functions of rows for the bootstrap (intervals.h). Each keeps a copy of what an
// example contributes, so that a resample costs a few additions a row: 1,000 resamples of 10,000
// examples take a fraction of a second. Every row must be below the number of examples given here;
// no function keeps state between calls.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "core/task/classification_metrics.h"
#include "core/task/intervals.h"

namespace espalier {

// Mean of one number an example: right or wrong, SQuAD's exact match and F1, squared errors. No
// rows: NaN.
RowStatistic mean_statistic(std::vector<double> values);

// A function of sums: `contributions` is [examples, width], row by row, and `metric` sees the sums
// of its columns. Entity F1 (truth, predicted, both), perplexity (loss, tokens), ...
RowStatistic totals_statistic(std::vector<double> contributions, size_t width,
                              std::function<double(std::span<const double> totals)> metric);

// Metrics of classification_metrics.h: of classes, and of label sets.
using CountMetric = std::function<double(const ClassCounts&)>;
RowStatistic class_statistic(std::vector<int32_t> truth, std::vector<int32_t> predicted,
                             int32_t classes, CountMetric metric);
RowStatistic label_statistic(std::vector<uint8_t> truth, std::vector<uint8_t> predicted,
                             int32_t labels, CountMetric metric);

// Correlations. Spearman's ranks are those of the resample, ties included, counted over the values
// that were sorted once. a and b must be of one length.
RowStatistic pearson_statistic(std::vector<double> a, std::vector<double> b);
RowStatistic spearman_statistic(std::vector<double> a, std::vector<double> b);

}  // namespace espalier
