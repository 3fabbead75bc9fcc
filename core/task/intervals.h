// 95 % intervals (or any other) and paired tests of metrics that have no exact ones: the bootstrap
// over examples, and Fisher's z for correlations. Shares and exact tests: statistics.h.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "core/task/statistics.h"

namespace espalier {

// A metric of the examples at `rows` (indices in 0..examples-1, repeats allowed). NaN where it is
// not defined for them. resample_statistics.h makes cheap ones.
using RowStatistic = std::function<double(std::span<const int64_t> rows)>;

struct BootstrapOptions {
  int resamples = 1000;
  double confidence = 0.95;
  uint64_t seed = 0;
};

// The interval is NaN at both ends where there are no examples or every resample was undefined.
struct BootstrapResult {
  double value = 0;   // of all examples, each once
  Interval interval;  // percentile bootstrap
  int64_t undefined;  // resamples whose statistic was NaN; they are left out
};

// Percentile bootstrap (Efron): `resamples` times `examples` rows drawn with replacement, the
// interval between the (1 -+ confidence) / 2 quantiles of their statistics (interpolated linearly).
// The draws depend on the seed, the resample and `examples` only, so equal calls agree to the bit
// and two metrics of the same examples see the same resamples. One thread.
BootstrapResult bootstrap(int64_t examples, const RowStatistic& statistic,
                          const BootstrapOptions& options = {});

struct PairedResult {
  double difference = 0;  // second - first, of all examples
  Interval interval;      // percentile bootstrap of the difference
  // Two-sided: twice the smaller share of resampled differences on or beyond 0, counting the
  // observed sample as one more on each side, at most 1. So never below 2 / (resamples + 1), and 1
  // for equal models.
  double p_value = 1;
  int64_t undefined = 0;
};

// Two models on the same examples, each resample drawn once for both.
PairedResult paired_bootstrap(int64_t examples, const RowStatistic& first,
                              const RowStatistic& second, const BootstrapOptions& options = {});

// Interval of Pearson's correlation r of n examples: tanh(atanh(r) -+ z / sqrt(n - 3)), Fisher
// 1921, as SciPy's pearsonr(...).confidence_interval(). [-1, 1] for n < 4 or r not a number.
Interval fisher_interval(double r, int64_t n, double confidence = 0.95);

// Of Spearman's: the same with the variance (1 + r^2 / 2) / (n - 3) of Bonett and Wright 2000.
Interval bonett_wright_interval(double r, int64_t n, double confidence = 0.95);

}  // namespace espalier
