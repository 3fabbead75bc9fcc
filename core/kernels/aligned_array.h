// Numbers that begin at a multiple of 64 bytes, which is a line of the cache and the widest vector.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace espalier::kernels {

// `count` numbers of a plain type, not initialised, and room to the end of the last line.
template <class T>
class AlignedArray {
 public:
  AlignedArray() = default;
  explicit AlignedArray(int64_t count) : data_(allocate(count)) {}
  T* get() { return data_.get(); }
  const T* get() const { return data_.get(); }

 private:
  static constexpr size_t kLine = 64;
  struct Free {
    void operator()(T* data) const { std::free(data); }
  };
  static T* allocate(int64_t count) {
    const size_t bytes = static_cast<size_t>(std::max<int64_t>(count, 1)) * sizeof(T);
    void* out = std::aligned_alloc(kLine, (bytes + kLine - 1) / kLine * kLine);
    if (out == nullptr) throw std::bad_alloc();
    return static_cast<T*>(out);
  }
  std::unique_ptr<T, Free> data_;
};

using AlignedFloats = AlignedArray<float>;

}  // namespace espalier::kernels
