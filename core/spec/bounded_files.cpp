#include "core/spec/bounded_files.h"

#include <sys/stat.h>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/status_macros.h"

namespace espalier {
namespace {

absl::Status check_bytes(const std::string& path, uint64_t max_bytes) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return absl::OkStatus();  // reading will say why
  const auto size = static_cast<uint64_t>(info.st_size);
  if (size <= max_bytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(path, " has ", size, " bytes; at most ", max_bytes, " are taken"));
}

}  // namespace

bool is_file(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

absl::StatusOr<std::string> read_bounded(const std::string& path, uint64_t max_bytes) {
  ESPALIER_RETURN_IF_ERROR(check_bytes(path, max_bytes));
  return read_file(path);
}

absl::StatusOr<Json> read_bounded_json(const std::string& path, uint64_t max_bytes) {
  ESPALIER_RETURN_IF_ERROR(check_bytes(path, max_bytes));
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0 && info.st_size == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " is empty; it must be JSON. Was it copied to its end?"));
  }
  return read_json(path);
}

}  // namespace espalier
