// What the examples of a data set should be answered with: a ragged list of numbers, whose meaning
// is the task's (spec/tasks.h).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <utility>

#include "core/base/large_array.h"

namespace espalier {

// Instead of the class of a word that is asked for, in a split without labels: a teacher may say
// it.
inline constexpr float kUnknownClass = -101;

// Class ids are stored as floats, which hold whole numbers exactly up to 2^24.
class Targets {
 public:
  Targets() = default;
  // One number an example: class ids, values.
  Targets(std::initializer_list<float> values) {
    for (const float value : values) add(value);
  }
  explicit Targets(LargeLists<float> lists) : lists_(std::move(lists)) {}

  int64_t size() const { return lists_.size(); }
  // Appends an example's target; an empty one is not known.
  void add(std::span<const float> target) { lists_.add(target); }
  void add(float value) { add(std::span(&value, 1)); }
  void add_unknown() { add(std::span<const float>()); }

  // Valid until the next change.
  std::span<const float> operator[](int64_t i) const { return lists_[i]; }
  bool known(int64_t i) const { return lists_.length(i) > 0; }
  const LargeLists<float>& lists() const { return lists_; }

 private:
  LargeLists<float> lists_;
};

}  // namespace espalier
