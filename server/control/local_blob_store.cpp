#include "server/control/local_blob_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "server/common/status.h"

namespace espalier::server {
namespace {

namespace fs = std::filesystem;

absl::Status system_error(const std::string& doing) {
  const int code = errno;
  const std::string message = absl::StrCat("cannot ", doing, ": ", std::strerror(code));
  return code == ENOSPC || code == EDQUOT ? absl::ResourceExhaustedError(message)
                                          : absl::InternalError(message);
}

// A file descriptor that closes itself.
class OpenFile {
 public:
  OpenFile(const std::string& path, int flags)
      : fd_(::open(path.c_str(), flags | O_CLOEXEC, 0640)) {}
  ~OpenFile() {
    if (fd_ >= 0) ::close(fd_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }

 private:
  int fd_;
};

absl::Status write_all(int fd, std::string_view data, uint64_t offset) {
  while (!data.empty()) {
    const ssize_t n = ::pwrite(fd, data.data(), data.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("write staged bytes");
    data.remove_prefix(n);
    offset += n;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<LocalBlobStore>> LocalBlobStore::open(
    const std::string& data_folder) {
  std::unique_ptr<LocalBlobStore> store(new LocalBlobStore(data_folder));
  ESPALIER_RETURN_IF_ERROR(make_folders(store->staged_));
  ESPALIER_RETURN_IF_ERROR(make_folders(store->blobs_));
  return store;
}

LocalBlobStore::LocalBlobStore(const std::string& data_folder)
    : staged_(data_folder + "/staged"), blobs_(data_folder + "/blobs") {}

std::string LocalBlobStore::blob_path(const std::string& project, const std::string& sha256) const {
  return absl::StrCat(blobs_, "/", project, "/", sha256.substr(0, 2), "/", sha256);
}

std::mutex& LocalBlobStore::lock_of(const std::string& name) {
  return locks_[std::hash<std::string>{}(name) % locks_.size()];
}

absl::StatusOr<uint64_t> LocalBlobStore::staged(const std::string& name) {
  std::error_code error;
  const uint64_t size = fs::file_size(staged_path(name), error);
  if (!error) return size;
  if (error == std::errc::no_such_file_or_directory) return 0;
  return absl::InternalError(absl::StrCat("cannot look at staged bytes: ", error.message()));
}

absl::StatusOr<uint64_t> LocalBlobStore::stage(const std::string& name, uint64_t offset,
                                               std::string_view data, uint64_t total) {
  std::lock_guard lock(lock_of(name));
  ESPALIER_ASSIGN_OR_RETURN(const uint64_t there, staged(name));
  if (offset > there) {
    return with_reason(
        absl::OutOfRangeError(absl::StrCat("the chunk starts at ", offset, ", but ", there,
                                           " bytes are here; go on at offset ", there)),
        "GAP", "offset");
  }
  if (data.size() > total || offset > total - data.size()) {
    return with_reason(
        absl::OutOfRangeError(absl::StrCat("the chunk ends at ", offset + data.size(),
                                           ", but the file was announced with ", total, " bytes; ",
                                           there, " are here")),
        "BEYOND_END", "data");
  }
  if (offset + data.size() <= there) return there;
  data.remove_prefix(there - offset);

  const std::string path = staged_path(name);
  ESPALIER_RETURN_IF_ERROR(make_folders(fs::path(path).parent_path()));
  OpenFile file(path, O_WRONLY | O_CREAT);
  if (!file.is_open()) return system_error("open staged bytes");
  if (absl::Status written = write_all(file.fd(), data, there); !written.ok()) {
    [[maybe_unused]] const int undone = ::ftruncate(file.fd(), static_cast<off_t>(there));
    return written;
  }
  // Not synced: what a power cut spoils fails publish()'s hash, and is sent again.
  return there + data.size();
}

absl::Status LocalBlobStore::publish(const std::string& name, const std::string& project,
                                     const std::string& sha256, uint64_t size) {
  std::lock_guard lock(lock_of(name));
  const std::string from = staged_path(name), to = blob_path(project, sha256);
  ESPALIER_ASSIGN_OR_RETURN(const uint64_t there, staged(name));
  // A repeated call, or the same content by another way. An empty file is never staged.
  std::error_code error;
  if (there == 0 && fs::file_size(to, error) == size && !error) return absl::OkStatus();
  if (there < size) {
    return with_reason(absl::FailedPreconditionError(absl::StrCat(
                           there, " of ", size, " bytes are here; go on at offset ", there)),
                       "INCOMPLETE");
  }
  ESPALIER_RETURN_IF_ERROR(make_folders(fs::path(from).parent_path()));
  if (size == 0) OpenFile(from, O_WRONLY | O_CREAT);
  ESPALIER_ASSIGN_OR_RETURN(const std::string found, sha256_of_file(from));
  if (found != sha256) {
    fs::remove(from, error);
    return with_reason(
        absl::DataLossError(absl::StrCat("the bytes have sha256 ", found, ", but ", sha256,
                                         " was announced; upload them again from offset 0")),
        "WRONG_HASH");
  }
  ESPALIER_RETURN_IF_ERROR(make_folders(fs::path(to).parent_path()));
  return publish_file(from, to);
}

absl::Status LocalBlobStore::discard(const std::string& name) {
  std::error_code error;
  fs::remove_all(staged_path(name), error);
  return error ? absl::InternalError(absl::StrCat("cannot drop staged bytes: ", error.message()))
               : absl::OkStatus();
}

absl::Status LocalBlobStore::discard_stale(std::chrono::hours age) {
  const auto oldest = fs::file_time_type::clock::now() - age;
  std::error_code error;
  // Each entry may vanish while we look: a worker publishes, a job ends.
  for (fs::recursive_directory_iterator it(staged_, error), end; !error && it != end;
       it.increment(error)) {
    std::error_code ignored;
    if (it->is_regular_file(ignored) && it->last_write_time(ignored) < oldest && !ignored) {
      fs::remove(it->path(), ignored);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> LocalBlobStore::read(const std::string& project,
                                                 const std::string& sha256, uint64_t offset,
                                                 uint64_t limit) {
  OpenFile file(blob_path(project, sha256), O_RDONLY);
  if (!file.is_open()) {
    return with_reason(absl::DataLossError(absl::StrCat(
                           "blob ", sha256, " is not in the store: ", std::strerror(errno))),
                       "BLOB_MISSING");
  }
  if (offset > INT64_MAX) return std::string();
  struct stat facts;
  if (::fstat(file.fd(), &facts) != 0) return system_error("look at a blob");
  const uint64_t size = facts.st_size;
  std::string data(offset >= size ? 0 : std::min(limit, size - offset), '\0');
  for (size_t done = 0; done < data.size();) {
    const ssize_t n = ::pread(file.fd(), data.data() + done, data.size() - done,
                              static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("read a blob");
    if (n == 0) return absl::DataLossError("a blob became shorter while it was read");
    done += n;
  }
  return data;
}

absl::Status LocalBlobStore::materialise(const std::string& project, const std::string& sha256,
                                         const std::string& path) {
  ESPALIER_RETURN_IF_ERROR(make_folders(fs::path(path).parent_path()));
  std::error_code error;
  fs::create_symlink(fs::absolute(blob_path(project, sha256)), path, error);
  return error ? absl::InternalError(absl::StrCat("cannot link a blob: ", error.message()))
               : absl::OkStatus();
}

absl::Status LocalBlobStore::remove(const std::string& project, const std::string& sha256) {
  std::error_code error;
  fs::remove(blob_path(project, sha256), error);
  return error ? absl::InternalError(absl::StrCat("cannot remove a blob: ", error.message()))
               : absl::OkStatus();
}

}  // namespace espalier::server
