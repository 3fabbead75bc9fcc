#include "core/task/classification_metrics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace espalier {
namespace {

ClassCounts empty_counts(int32_t classes) {
  const std::vector<int64_t> none(static_cast<size_t>(std::max(classes, 0)));
  return {0, none, none, none};
}

void add_classes(ClassCounts& counts, int32_t truth, int32_t predicted) {
  const auto classes = static_cast<int32_t>(counts.truth.size());
  if (truth < 0 || truth >= classes) return;
  ++counts.examples;
  ++counts.truth[static_cast<size_t>(truth)];
  if (predicted < 0 || predicted >= classes) return;
  ++counts.predicted[static_cast<size_t>(predicted)];
  counts.both[static_cast<size_t>(truth)] += truth == predicted;
}

void add_labels(ClassCounts& counts, const uint8_t* truth, const uint8_t* predicted) {
  ++counts.examples;
  for (size_t label = 0; label < counts.truth.size(); ++label) {
    const bool is = truth[label] != 0, said = predicted[label] != 0;
    counts.truth[label] += is;
    counts.predicted[label] += said;
    counts.both[label] += is && said;
  }
}

size_t rows_of(std::span<const uint8_t> truth, std::span<const uint8_t> predicted, size_t labels) {
  return labels == 0 ? 0 : std::min(truth.size(), predicted.size()) / labels;
}

double total(const std::vector<int64_t>& counts) {
  return static_cast<double>(std::accumulate(counts.begin(), counts.end(), int64_t{0}));
}

double share(double part, double whole) { return whole > 0 ? part / whole : 0; }

// Mean of the classes' F1; `unused` says whether classes that occur nowhere count, as 0.
double mean_f1(const ClassCounts& counts, bool unused) {
  double sum = 0, classes = 0;
  for (size_t c = 0; c < counts.truth.size(); ++c) {
    if (!unused && counts.truth[c] + counts.predicted[c] == 0) continue;
    sum += f1_of_class(counts, static_cast<int32_t>(c));
    ++classes;
  }
  return share(sum, classes);
}

}  // namespace

ClassCounts count_classes(std::span<const int32_t> truth, std::span<const int32_t> predicted,
                          int32_t classes) {
  ClassCounts out = empty_counts(classes);
  for (size_t i = 0; i < std::min(truth.size(), predicted.size()); ++i)
    add_classes(out, truth[i], predicted[i]);
  return out;
}

ClassCounts count_classes(std::span<const int32_t> truth, std::span<const int32_t> predicted,
                          int32_t classes, std::span<const int64_t> rows) {
  ClassCounts out = empty_counts(classes);
  for (const int64_t row : rows)
    add_classes(out, truth[static_cast<size_t>(row)], predicted[static_cast<size_t>(row)]);
  return out;
}

ClassCounts count_labels(std::span<const uint8_t> truth, std::span<const uint8_t> predicted,
                         int32_t labels) {
  ClassCounts out = empty_counts(labels);
  const size_t width = out.truth.size();
  for (size_t i = 0; i < rows_of(truth, predicted, width); ++i)
    add_labels(out, &truth[i * width], &predicted[i * width]);
  return out;
}

ClassCounts count_labels(std::span<const uint8_t> truth, std::span<const uint8_t> predicted,
                         int32_t labels, std::span<const int64_t> rows) {
  ClassCounts out = empty_counts(labels);
  const size_t width = out.truth.size();
  if (width == 0) return out;
  for (const int64_t row : rows) {
    const size_t at = static_cast<size_t>(row) * width;
    add_labels(out, &truth[at], &predicted[at]);
  }
  return out;
}

double accuracy(const ClassCounts& counts) {
  return share(total(counts.both), static_cast<double>(counts.examples));
}

double f1_of_class(const ClassCounts& counts, int32_t which) {
  const auto c = static_cast<size_t>(which);
  if (which < 0 || c >= counts.truth.size()) return 0;
  return share(2 * static_cast<double>(counts.both[c]),
               static_cast<double>(counts.truth[c] + counts.predicted[c]));
}

double binary_f1(const ClassCounts& counts) { return f1_of_class(counts, 1); }
double macro_f1(const ClassCounts& counts) { return mean_f1(counts, /*unused=*/false); }
double macro_f1_of_labels(const ClassCounts& counts) { return mean_f1(counts, /*unused=*/true); }

double micro_f1(const ClassCounts& counts) {
  return share(2 * total(counts.both), total(counts.truth) + total(counts.predicted));
}

double matthews(const ClassCounts& counts) {
  const auto n = static_cast<double>(counts.examples);
  // Answers of no class are a class of their own, which is never the truth.
  const double elsewhere = n - total(counts.predicted);
  double both = total(counts.both) * n, truth = n * n, predicted = n * n - elsewhere * elsewhere;
  for (size_t c = 0; c < counts.truth.size(); ++c) {
    const auto t = static_cast<double>(counts.truth[c]);
    const auto p = static_cast<double>(counts.predicted[c]);
    both -= t * p;
    truth -= t * t;
    predicted -= p * p;
  }
  return truth * predicted > 0 ? both / std::sqrt(truth * predicted) : 0;
}

double subset_accuracy(std::span<const uint8_t> truth, std::span<const uint8_t> predicted,
                       int32_t labels) {
  const auto width = static_cast<size_t>(std::max(labels, 0));
  const size_t rows = rows_of(truth, predicted, width);
  int64_t right = 0;
  for (size_t i = 0; i < rows; ++i) {
    const auto is = truth.subspan(i * width, width), said = predicted.subspan(i * width, width);
    right += std::equal(is.begin(), is.end(), said.begin(),
                        [](uint8_t a, uint8_t b) { return (a != 0) == (b != 0); });
  }
  return share(static_cast<double>(right), static_cast<double>(rows));
}

}  // namespace espalier
