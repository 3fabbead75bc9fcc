// What a training draws its batches from: labelled examples and, where somebody can learn from
// them, others of the same task without labels. Nothing is copied.
#pragma once

#include <cstdint>
#include <span>
#include <utility>

#include "core/task/examples.h"

namespace espalier {

// A view; the examples must outlive it. Rows 0, 1, ... are the labelled ones, in their order.
class ExamplePool {
 public:
  // `unlabelled` may be null.
  ExamplePool(const Examples& labelled, const Examples* unlabelled = nullptr)
      : labelled_(&labelled), unlabelled_(unlabelled) {}

  Objective objective() const { return labelled_->objective; }
  int64_t size() const {
    return labelled_->size() + (unlabelled_ == nullptr ? 0 : unlabelled_->size());
  }
  InputView input(int64_t i) const {
    const auto [examples, row] = place_of(i);
    return examples->input(row);
  }
  int32_t tokens(int64_t i) const {
    const auto [examples, row] = place_of(i);
    return examples->tokens(row);
  }
  // Empty where it is not known.
  std::span<const float> target(int64_t i) const {
    const auto [examples, row] = place_of(i);
    return examples->targets[row];
  }

 private:
  std::pair<const Examples*, int64_t> place_of(int64_t i) const {
    if (i < labelled_->size()) return {labelled_, i};
    return {unlabelled_, i - labelled_->size()};
  }

  const Examples* labelled_;
  const Examples* unlabelled_;
};

}  // namespace espalier
