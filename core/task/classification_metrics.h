// Metrics of classes and of label sets, as shares of 1 and with scikit-learn's values and edge
// cases (zero_division=0). All but one are functions of a few counts for each class, so that a
// bootstrap counts its rows again and never looks at an answer.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace espalier {

// How often each class was the truth, the answer and both.
struct ClassCounts {
  int64_t examples = 0;
  std::vector<int64_t> truth, predicted, both;  // [classes]
};

// Of one class an example. An example whose truth lies outside 0..classes-1 has no label and is
// left out; a prediction outside is a wrong answer of no class. Where the lengths differ, the
// shorter counts.
ClassCounts count_classes(std::span<const int32_t> truth, std::span<const int32_t> predicted,
                          int32_t classes);
// The same for the examples at `rows` (indices, repeats allowed).
ClassCounts count_classes(std::span<const int32_t> truth, std::span<const int32_t> predicted,
                          int32_t classes, std::span<const int64_t> rows);

// Of label sets: 0/1 matrices [examples, labels], row by row; anything but 0 is 1.
ClassCounts count_labels(std::span<const uint8_t> truth, std::span<const uint8_t> predicted,
                         int32_t labels);
ClassCounts count_labels(std::span<const uint8_t> truth, std::span<const uint8_t> predicted,
                         int32_t labels, std::span<const int64_t> rows);

// No examples: 0, for every function here (scikit-learn raises or warns).
double accuracy(const ClassCounts& counts);
// 2 TP / (2 TP + FP + FN) of one class; 0 where it neither is nor is said anywhere.
double f1_of_class(const ClassCounts& counts, int32_t which);
// f1_of_class of class 1, scikit-learn's average="binary".
double binary_f1(const ClassCounts& counts);
// Mean over the classes that are or are said at least once: what scikit-learn does with classes.
double macro_f1(const ClassCounts& counts);
// Mean over every label, used or not: what scikit-learn does with label sets.
double macro_f1_of_labels(const ClassCounts& counts);
// Over all classes or labels together; with one class an example it is the accuracy.
double micro_f1(const ClassCounts& counts);
// Matthews correlation of two or more classes (Gorodkin's R_K); 0 where truth or answers are all
// of one class.
double matthews(const ClassCounts& counts);

// Share of the examples whose label set is right as a whole; matrices as in count_labels.
double subset_accuracy(std::span<const uint8_t> truth, std::span<const uint8_t> predicted,
                       int32_t labels);

}  // namespace espalier
