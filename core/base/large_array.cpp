#include "core/base/large_array.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <new>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"

namespace espalier {
namespace {

StatusError no_room(size_t bytes, int error) {
  return StatusError(absl::ResourceExhaustedError(
      absl::StrCat("a data set's column needs ", bytes, " bytes of disk in ",
                   std::filesystem::temp_directory_path().string(), ": ", std::strerror(error),
                   "; TMPDIR may name a folder with more room")));
}

// Not only named: writing to a mapped page that the disk has no room for kills.
void reserve(int file, size_t bytes) {
  if (const int error = ::posix_fallocate(file, 0, static_cast<off_t>(bytes)))
    throw no_room(bytes, error);
}

// Without a name, so that it never outlives its descriptor.
int nameless_file(const std::string& folder) {
  const int file = ::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (file >= 0) return file;
  std::string name = folder + "/espalier-XXXXXX";  // not every file system has O_TMPFILE
  const int named = ::mkostemp(name.data(), O_CLOEXEC);
  if (named >= 0) ::unlink(name.c_str());
  return named;
}

}  // namespace

LargeBytes::LargeBytes(const LargeBytes& other) { append(other.data_, other.size_); }

void LargeBytes::swap(LargeBytes& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(capacity_, other.capacity_);
  std::swap(file_, other.file_);
  std::swap(owner_, other.owner_);
}

void LargeBytes::append(const void* bytes, size_t count) {
  if (count == 0) return;
  if (size_ + count > capacity_) {
    constexpr size_t kPage = 4096;
    const size_t wanted = std::max(size_ + count, capacity_ + capacity_ / 2);
    grow((wanted + kPage - 1) / kPage * kPage);
  }
  std::memcpy(data_ + size_, bytes, count);
  size_ += count;
}

void LargeBytes::grow(size_t capacity) {
  if (file_ >= 0) {
    reserve(file_, capacity);
    void* moved = ::mremap(data_, capacity_, capacity, MREMAP_MAYMOVE);
    if (moved == MAP_FAILED) throw std::bad_alloc();
    data_ = static_cast<std::byte*>(moved);
    capacity_ = capacity;
    return;
  }
  LargeBytes larger;
  if (capacity <= kInMemory) {
    larger.data_ = static_cast<std::byte*>(std::malloc(capacity));
    if (larger.data_ == nullptr) throw std::bad_alloc();
  } else {
    larger.file_ = nameless_file(std::filesystem::temp_directory_path().string());
    if (larger.file_ < 0) throw no_room(capacity, errno);
    reserve(larger.file_, capacity);
    void* map = ::mmap(nullptr, capacity, PROT_READ | PROT_WRITE, MAP_SHARED, larger.file_, 0);
    if (map == MAP_FAILED) throw std::bad_alloc();
    larger.data_ = static_cast<std::byte*>(map);
  }
  larger.capacity_ = capacity;
  if (size_ > 0) std::memcpy(larger.data_, data_, size_);
  larger.size_ = size_;
  swap(larger);
}

void LargeBytes::release() {
  if (file_ >= 0) {
    if (data_ != nullptr) ::munmap(data_, capacity_);
    ::close(file_);
  } else if (capacity_ > 0) {
    std::free(data_);
  }
}

}  // namespace espalier
