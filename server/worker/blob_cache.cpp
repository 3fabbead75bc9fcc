#include "server/worker/blob_cache.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"

namespace espalier::server {
namespace {
namespace fs = std::filesystem;

// The hash becomes a file name.
absl::Status check_hash(const std::string& sha256) {
  bool good = sha256.size() == 64 && std::all_of(sha256.begin(), sha256.end(), [](unsigned char c) {
                return absl::ascii_isdigit(c) || (c >= 'a' && c <= 'f');
              });
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("\"", sha256, "\" is no SHA-256 in lower-case hex"));
}

absl::Status hard_link(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::create_hard_link(from, to, error);
  if (error)
    return absl::InternalError(absl::StrCat("link ", from, " to ", to, ": ", error.message()));
  return absl::OkStatus();
}

// Writes a blob to `path` as it comes in, and checks it.
absl::Status receive(const std::string& sha256, uint64_t size, const BlobCache::Read& read,
                     const std::string& path) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  Sha256 hash;
  uint64_t done = 0;
  while (true) {
    ESPALIER_ASSIGN_OR_RETURN(const std::string bytes, read(done));
    done += bytes.size();
    if (bytes.empty() || done > size) break;
    hash.update(bytes);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  out.flush();
  if (!out) {
    return absl::ResourceExhaustedError(absl::StrCat("cannot write ", path, "; is the disk full?"));
  }
  const std::string found = hash.hex();
  if (done == size && found == sha256) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("blob ", sha256, " of ", size, " bytes arrived with ",
                                          done, " bytes and hash ", found));
}

}  // namespace

absl::Status BlobCache::link(const std::string& sha256, uint64_t size, const Read& read,
                             const std::string& destination) {
  ESPALIER_RETURN_IF_ERROR(check_hash(sha256));
  std::string path = path_of(sha256);
  std::error_code error;
  if (fs::file_size(path, error) != size || error) {
    ESPALIER_RETURN_IF_ERROR(download(sha256, size, read));
  }
  fs::last_write_time(path, fs::file_time_type::clock::now(), error);  // used just now
  ESPALIER_RETURN_IF_ERROR(hard_link(path, destination));
  trim_folder(folder_, max_bytes_);
  return absl::OkStatus();
}

absl::Status BlobCache::adopt(const std::string& path, const std::string& sha256) {
  ESPALIER_RETURN_IF_ERROR(check_hash(sha256));
  if (fs::exists(path_of(sha256))) return absl::OkStatus();
  ESPALIER_RETURN_IF_ERROR(hard_link(path, path_of(sha256)));
  trim_folder(folder_, max_bytes_);
  return absl::OkStatus();
}

void BlobCache::forget(const std::string& sha256) {
  std::error_code ignored;
  if (check_hash(sha256).ok()) fs::remove(path_of(sha256), ignored);
}

absl::Status BlobCache::download(const std::string& sha256, uint64_t size, const Read& read) {
  const std::string aside = aside_of(path_of(sha256));
  absl::Status status = receive(sha256, size, read, aside);
  if (status.ok()) status = publish_file(aside, path_of(sha256));
  std::error_code ignored;
  if (!status.ok()) fs::remove(aside, ignored);
  return status;
}

}  // namespace espalier::server
