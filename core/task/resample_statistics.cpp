#include "core/task/resample_statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "core/task/regression_metrics.h"

namespace espalier {
namespace {

std::vector<double> gather(const std::vector<double>& values, std::span<const int64_t> rows) {
  std::vector<double> out;
  out.reserve(rows.size());
  for (const int64_t row : rows) out.push_back(values[static_cast<size_t>(row)]);
  return out;
}

// Values as places 0, 1, ... in the sorted list of different ones.
struct Places {
  std::vector<int32_t> place;  // [examples]
  size_t different = 0;
};

Places places_of(const std::vector<double>& values) {
  std::vector<double> sorted = values;
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  Places out{{}, sorted.size()};
  for (const double value : values)
    out.place.push_back(static_cast<int32_t>(std::lower_bound(sorted.begin(), sorted.end(), value) -
                                             sorted.begin()));
  return out;
}

// average_ranks of the values at `rows`.
std::vector<double> ranks_at(const Places& places, std::span<const int64_t> rows) {
  auto place = [&](int64_t row) {
    return static_cast<size_t>(places.place[static_cast<size_t>(row)]);
  };
  std::vector<int64_t> count(places.different);
  for (const int64_t row : rows) ++count[place(row)];
  std::vector<double> rank(places.different);
  int64_t before = 0;
  for (size_t p = 0; p < rank.size(); ++p) {
    rank[p] = static_cast<double>(before) + 0.5 * static_cast<double>(count[p] + 1);
    before += count[p];
  }
  std::vector<double> out;
  out.reserve(rows.size());
  for (const int64_t row : rows) out.push_back(rank[place(row)]);
  return out;
}

bool has_nan(const std::vector<double>& values) {
  return std::any_of(values.begin(), values.end(), [](double x) { return std::isnan(x); });
}

double undefined_statistic(std::span<const int64_t>) {
  return std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

RowStatistic mean_statistic(std::vector<double> values) {
  return [values = std::move(values)](std::span<const int64_t> rows) {
    double sum = 0;
    for (const int64_t row : rows) sum += values[static_cast<size_t>(row)];
    return sum / static_cast<double>(rows.size());
  };
}

RowStatistic totals_statistic(std::vector<double> contributions, size_t width,
                              std::function<double(std::span<const double> totals)> metric) {
  return [contributions = std::move(contributions), width,
          metric = std::move(metric)](std::span<const int64_t> rows) {
    std::vector<double> totals(width);
    for (const int64_t row : rows) {
      const double* from = contributions.data() + static_cast<size_t>(row) * width;
      for (size_t column = 0; column < width; ++column) totals[column] += from[column];
    }
    return metric(totals);
  };
}

RowStatistic class_statistic(std::vector<int32_t> truth, std::vector<int32_t> predicted,
                             int32_t classes, CountMetric metric) {
  return [truth = std::move(truth), predicted = std::move(predicted), classes,
          metric = std::move(metric)](std::span<const int64_t> rows) {
    return metric(count_classes(truth, predicted, classes, rows));
  };
}

RowStatistic label_statistic(std::vector<uint8_t> truth, std::vector<uint8_t> predicted,
                             int32_t labels, CountMetric metric) {
  return [truth = std::move(truth), predicted = std::move(predicted), labels,
          metric = std::move(metric)](std::span<const int64_t> rows) {
    return metric(count_labels(truth, predicted, labels, rows));
  };
}

RowStatistic pearson_statistic(std::vector<double> a, std::vector<double> b) {
  return [a = std::move(a), b = std::move(b)](std::span<const int64_t> rows) {
    return pearson(gather(a, rows), gather(b, rows));
  };
}

RowStatistic spearman_statistic(std::vector<double> a, std::vector<double> b) {
  if (has_nan(a) || has_nan(b)) return undefined_statistic;
  return [a = places_of(a), b = places_of(b)](std::span<const int64_t> rows) {
    return pearson(ranks_at(a, rows), ranks_at(b, rows));
  };
}

}  // namespace espalier
