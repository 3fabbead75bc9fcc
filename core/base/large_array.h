// Arrays and lists of lists that may be larger than memory: the columns of a data set.
//
// What is small lies in memory. What has grown beyond kInMemory lies in a nameless file in $TMPDIR
// (/tmp where that is not set), mapped: readers see one piece of memory, and the system keeps as
// much of it there as it has room for. The file is gone with the array, or with the process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

namespace espalier {

// The bytes of a LargeArray. Running out of memory throws std::bad_alloc, running out of disk a
// StatusError: RESOURCE_EXHAUSTED.
class LargeBytes {
 public:
  static constexpr size_t kInMemory = size_t{32} << 20;

  LargeBytes() = default;
  // What lies elsewhere, for as long as `owner` is held. Whoever appends to it appends to a copy.
  LargeBytes(std::span<const std::byte> bytes, std::shared_ptr<const void> owner)
      : data_(const_cast<std::byte*>(bytes.data())),
        size_(bytes.size()),
        owner_(std::move(owner)) {}
  ~LargeBytes() { release(); }
  LargeBytes(const LargeBytes& other);
  LargeBytes(LargeBytes&& other) noexcept { swap(other); }
  LargeBytes& operator=(LargeBytes other) noexcept {
    swap(other);
    return *this;
  }

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  bool on_disk() const { return file_ >= 0; }
  void append(const void* bytes, size_t count);

 private:
  void swap(LargeBytes& other) noexcept;
  void grow(size_t capacity);
  void release();

  std::byte* data_ = nullptr;
  size_t size_ = 0, capacity_ = 0;  // capacity 0 with data: not ours
  int file_ = -1;
  std::shared_ptr<const void> owner_;
};

template <class T>
class LargeArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  LargeArray() = default;
  LargeArray(std::span<const T> items, std::shared_ptr<const void> owner)
      : bytes_(std::as_bytes(items), std::move(owner)) {}

  int64_t size() const { return static_cast<int64_t>(bytes_.bytes().size() / sizeof(T)); }
  bool empty() const { return size() == 0; }
  // Valid until the next change, as everything that is returned here.
  std::span<const T> items() const {
    return {reinterpret_cast<const T*>(bytes_.bytes().data()), static_cast<size_t>(size())};
  }
  const T& operator[](int64_t i) const { return items()[static_cast<size_t>(i)]; }
  void add(const T& item) { bytes_.append(&item, sizeof item); }
  void add(std::span<const T> items) { bytes_.append(items.data(), items.size_bytes()); }
  bool on_disk() const { return bytes_.on_disk(); }

 private:
  LargeBytes bytes_;
};

// Lists, one after the other.
template <class T>
class LargeLists {
 public:
  LargeLists() = default;
  LargeLists(LargeArray<uint64_t> ends, LargeArray<T> items)
      : ends_(std::move(ends)), items_(std::move(items)) {}

  int64_t size() const { return ends_.size(); }
  bool empty() const { return ends_.empty(); }
  std::span<const T> operator[](int64_t i) const {
    const uint64_t begin = i == 0 ? 0 : ends_[i - 1];
    return items_.items().subspan(begin, ends_[i] - begin);
  }
  int64_t length(int64_t i) const {
    return static_cast<int64_t>(ends_[i] - (i == 0 ? 0 : ends_[i - 1]));
  }
  void add(std::span<const T> list) {
    items_.add(list);
    ends_.add(static_cast<uint64_t>(items_.size()));
  }
  // The end of each list among all items.
  const LargeArray<uint64_t>& ends() const { return ends_; }
  const LargeArray<T>& items() const { return items_; }

 private:
  LargeArray<uint64_t> ends_;
  LargeArray<T> items_;
};

// Lists of characters are texts. Adding one: lists.add(std::string_view("text")); a literal alone
// would bring its zero along.
inline std::string_view text_of(const LargeLists<char>& lists, int64_t i) {
  return {lists[i].data(), lists[i].size()};
}

}  // namespace espalier
