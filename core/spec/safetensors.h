// The safetensors container: 8-byte little-endian header length, a JSON header, then the bytes of
// all tensors. Everything that a file says is checked against what the file is, before anybody
// believes it: header length against the file size (and 100 MB), offsets inside the data and in
// bounds, no overlap, product(shape) x size of dtype = length, no duplicate names, no gaps,
// depth-limited JSON.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace espalier {

struct TensorInfo {
  std::string dtype;  // "F32", "F16", "BF16", "I64", ...
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;  // bytes from the start of the data
};

// Bytes an element of a dtype takes; 0 for an unknown dtype.
size_t dtype_size(const std::string& dtype);

// A mapped, checked file. Immutable; pointers live as long as it does.
class SafetensorsFile {
 public:
  // INVALID_ARGUMENT says what the header claims and what the file holds; a pickle (PyTorch
  // .bin/.pt, zip or raw) is refused with the reason.
  static absl::StatusOr<std::unique_ptr<SafetensorsFile>> open(const std::string& path);
  ~SafetensorsFile();

  const std::map<std::string, TensorInfo>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::byte* data(const TensorInfo& info) const { return data_ + info.begin; }

 private:
  SafetensorsFile() = default;
  void* map_ = nullptr;
  size_t map_size_ = 0;
  const std::byte* data_ = nullptr;
  std::map<std::string, TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
};

// What a writer hands over: memory stays the caller's until write returns.
struct TensorView {
  std::string name, dtype;
  std::vector<int64_t> shape;
  const void* data = nullptr;
};
// Writes wide dtypes first and names in sorted order, data 8-byte aligned and without gaps, so that
// every tensor is aligned to its element; aside and renamed. Equal tensors give equal bytes.
absl::Status write_safetensors(const std::string& path, std::vector<TensorView> tensors,
                               const std::map<std::string, std::string>& metadata = {});

}  // namespace espalier
