// What the examples of a data set should be answered with: a ragged list of numbers, whose meaning
// is the task's (spec/tasks.h).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

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

  int64_t size() const { return static_cast<int64_t>(ends_.size()); }
  void reserve(int64_t examples) {
    values_.reserve(static_cast<size_t>(examples));
    ends_.reserve(static_cast<size_t>(examples));
  }
  // Appends an example's target; an empty one is not known.
  void add(std::span<const float> target) {
    values_.insert(values_.end(), target.begin(), target.end());
    ends_.push_back(values_.size());
  }
  void add(float value) { add(std::span(&value, 1)); }
  void add_unknown() { ends_.push_back(values_.size()); }

  // Valid until the next change.
  std::span<const float> operator[](int64_t i) const {
    const size_t begin = i == 0 ? 0 : ends_[static_cast<size_t>(i) - 1];
    return {values_.data() + begin, ends_[static_cast<size_t>(i)] - begin};
  }
  bool known(int64_t i) const { return !(*this)[i].empty(); }

 private:
  std::vector<float> values_;
  std::vector<size_t> ends_;  // [examples], the end of each in values_
};

}  // namespace espalier
