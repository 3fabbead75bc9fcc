#include "core/spec/safetensors.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/files.h"
#include "core/base/options.h"
#include "core/base/status_macros.h"
#include "core/spec/safetensors_header.h"

namespace espalier {
namespace {

constexpr uint64_t kMaxHeader = 100'000'000;

uint64_t little_endian(const unsigned char* bytes) {
  uint64_t out = 0;
  for (int i = 7; i >= 0; --i) out = out << 8 | bytes[i];
  return out;
}

// PyTorch's own formats. Reading one means running the program inside it, so that is never done. A
// safetensors file has '{' at byte 8, whatever its first bytes happen to be.
bool is_pickle(const unsigned char* bytes, uint64_t size) {
  if (size > 8 && bytes[8] == '{') return false;
  if (size >= 4 && std::memcmp(bytes, "PK\x03\x04", 4) == 0) return true;
  return size >= 2 && bytes[0] == 0x80 && bytes[1] >= 2 && bytes[1] <= 5;
}

// What git leaves in the place of a large file until it is asked for the file itself.
bool is_lfs_pointer(const unsigned char* bytes, uint64_t size) {
  constexpr std::string_view kBegin = "version https://git-lfs";
  return size >= kBegin.size() && std::memcmp(bytes, kBegin.data(), kBegin.size()) == 0;
}

// shape's product times the dtype's size, or false when it overflows.
bool byte_length(const TensorInfo& info, uint64_t& out) {
  out = dtype_size(info.dtype);
  bool overflows = false;
  for (int64_t n : info.shape) {
    overflows = overflows || __builtin_mul_overflow(out, static_cast<uint64_t>(n), &out);
  }
  return !overflows;
}

// Offsets against the data: in bounds, as long as shape and dtype say, and side by side without gap
// or overlap, so that each byte belongs to one tensor.
absl::Status check_layout(const std::map<std::string, TensorInfo>& tensors, uint64_t data_size) {
  std::vector<const std::pair<const std::string, TensorInfo>*> order;
  for (const auto& entry : tensors) {
    const auto& [name, info] = entry;
    if (dtype_size(info.dtype) == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", name, " has the unknown dtype ", info.dtype));
    }
    if (info.begin > info.end || info.end > data_size) {
      return absl::InvalidArgumentError(absl::StrCat(
          "tensor ", name, " claims bytes ", info.begin, " to ", info.end, ", but the file holds ",
          data_size, " bytes of data; it is truncated or damaged"));
    }
    uint64_t length = 0;
    if (!byte_length(info, length) || length != info.end - info.begin) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", name, " claims shape [", absl::StrJoin(info.shape, ", "), "] of ",
                       info.dtype, ", but its offsets span ", info.end - info.begin, " bytes"));
    }
    order.push_back(&entry);
  }
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return std::pair(a->second.begin, a->second.end) < std::pair(b->second.begin, b->second.end);
  });
  uint64_t end = 0;
  std::string previous = "the header";
  for (const auto* entry : order) {
    const auto& [name, info] = *entry;
    if (info.begin != end) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", name, info.begin < end ? " overlaps " : " leaves a gap after ",
                       previous, ": it begins at byte ", info.begin, ", not ", end));
    }
    end = info.end;
    previous = name;
  }
  if (end != data_size) {
    return absl::InvalidArgumentError(absl::StrCat(
        "tensors end at byte ", end, ", but the file holds ", data_size, " bytes of data"));
  }
  return absl::OkStatus();
}

}  // namespace

size_t dtype_size(const std::string& dtype) {
  static const std::map<std::string, size_t> kSizes = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1},
      {"U16", 2},  {"I16", 2}, {"F16", 2}, {"BF16", 2},    {"U32", 4},
      {"I32", 4},  {"F32", 4}, {"U64", 8}, {"I64", 8},     {"F64", 8}};
  auto it = kSizes.find(dtype);
  return it == kSizes.end() ? 0 : it->second;
}

SafetensorsFile::~SafetensorsFile() {
  if (map_ != nullptr) ::munmap(map_, map_size_);
}

absl::StatusOr<std::unique_ptr<SafetensorsFile>> SafetensorsFile::open(const std::string& path) {
  auto bad = [&](std::string why) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", why));
  };
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  struct stat info {};
  const bool is_file = ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
  const auto size = static_cast<uint64_t>(info.st_size);
  if (!is_file || size < 8) {
    ::close(fd);
    return bad(
        is_file ? absl::StrCat("a safetensors file begins with 8 bytes of header length; this has ",
                               size, " bytes")
                : "this is not a regular file");
  }
  // No make_unique: the constructor is private.
  std::unique_ptr<SafetensorsFile> out(new SafetensorsFile());
  // Private and not writable: tensors made over it see the file and cannot change it.
  void* map = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  const int map_errno = errno;
  ::close(fd);
  if (map == MAP_FAILED) return absl::ErrnoToStatus(map_errno, absl::StrCat("cannot map ", path));
  out->map_ = map;
  out->map_size_ = size;

  const auto* bytes = static_cast<const unsigned char*>(map);
  if (is_pickle(bytes, size)) {
    return bad(
        "this is a pickle (PyTorch .bin/.pt), which can run code when it is read, so it is "
        "refused; "
        "save the model with save_pretrained(..., safe_serialization=True) and upload "
        "model.safetensors");
  }
  if (is_lfs_pointer(bytes, size)) {
    return bad(absl::StrCat("this is a Git LFS pointer of ", size,
                            " bytes, not the weights; fetch them with \"git lfs pull\""));
  }
  const uint64_t header_size = little_endian(bytes);
  if (header_size > kMaxHeader || header_size > size - 8) {
    return bad(absl::StrCat("the header claims ", header_size, " bytes, but the file holds ",
                            size - 8, " after its first 8 (at most ", kMaxHeader,
                            " are taken); it is truncated or no safetensors file"));
  }
  if (header_size < 2 || bytes[8] != '{')
    return bad("the header does not begin with '{'; this is no safetensors file");
  auto header = parse_safetensors_header(
      std::string_view(reinterpret_cast<const char*>(bytes) + 8, static_cast<size_t>(header_size)));
  if (!header.ok()) return bad(std::string(header.status().message()));
  if (auto status = check_layout(header->tensors, size - 8 - header_size); !status.ok()) {
    return bad(std::string(status.message()));
  }
  out->tensors_ = std::move(header->tensors);
  out->metadata_ = std::move(header->metadata);
  out->data_ = reinterpret_cast<const std::byte*>(bytes) + 8 + header_size;
  return out;
}

absl::Status write_safetensors(const std::string& path, std::vector<TensorView> tensors,
                               const std::map<std::string, std::string>& metadata) {
  // Wide dtypes first: then every tensor is aligned to its element without gaps, which the format
  // forbids.
  std::sort(tensors.begin(), tensors.end(), [](const TensorView& a, const TensorView& b) {
    const size_t x = dtype_size(a.dtype), y = dtype_size(b.dtype);
    return x != y ? x > y : a.name < b.name;
  });
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::vector<uint64_t> lengths;
  uint64_t offset = 0;
  for (const TensorView& tensor : tensors) {
    uint64_t length = 0;
    const bool negative =
        std::any_of(tensor.shape.begin(), tensor.shape.end(), [](int64_t n) { return n < 0; });
    if (dtype_size(tensor.dtype) == 0 || negative ||
        !byte_length({tensor.dtype, tensor.shape, 0, 0}, length)) {
      return absl::InvalidArgumentError(absl::StrCat("cannot write tensor ", tensor.name,
                                                     " of dtype ", tensor.dtype, " and shape [",
                                                     absl::StrJoin(tensor.shape, ", "), "]"));
    }
    if (tensor.name.empty() || tensor.name == "__metadata__" || header.contains(tensor.name)) {
      return absl::InvalidArgumentError(
          absl::StrCat("cannot write two tensors named '", tensor.name, "'"));
    }
    header[tensor.name] = {{"dtype", tensor.dtype},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, offset + length}}};
    offset += length;
    lengths.push_back(length);
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');  // the data begins 8-byte aligned

  const std::string aside = aside_of(path);
  {
    std::ofstream out(aside, std::ios::binary | std::ios::trunc);
    for (uint64_t rest = text.size(), i = 0; i < 8; ++i, rest >>= 8)
      out.put(static_cast<char>(rest & 0xFF));
    out.write(text.data(), static_cast<std::streamsize>(text.size()));
    for (size_t i = 0; i < tensors.size(); ++i) {
      if (lengths[i] > 0) {
        out.write(static_cast<const char*>(tensors[i].data),
                  static_cast<std::streamsize>(lengths[i]));
      }
    }
    out.flush();
    if (!out) {
      const int code = errno;
      ::unlink(aside.c_str());
      return absl::ErrnoToStatus(code == 0 ? EIO : code, absl::StrCat("write ", aside));
    }
  }
  return publish_file(aside, path);
}

}  // namespace espalier
