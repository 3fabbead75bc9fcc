#include "server/worker/scratch.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <random>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/files.h"
#include "core/base/status_macros.h"

namespace espalier::server {
namespace {

// Host name and a random number. A folder that was copied to another host gets a new one.
absl::StatusOr<std::string> find_worker_id(const std::string& path) {
  char host[256] = {};
  gethostname(host, sizeof host - 1);
  std::string prefix = absl::StrCat(host, "-");
  auto known = read_file(path);
  if (known.ok() && known->size() == prefix.size() + 8 && absl::StartsWith(*known, prefix)) {
    return known;
  }
  std::string made = absl::StrCat(prefix, absl::StrFormat("%08x", std::random_device{}()));
  ESPALIER_RETURN_IF_ERROR(write_file(path, made));
  return made;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Scratch>> Scratch::open(const std::string& folder) {
  auto made = std::unique_ptr<Scratch>(new Scratch());
  made->folder_ = folder;
  ESPALIER_RETURN_IF_ERROR(make_folders(made->blobs()));
  std::string lock = folder + "/lock";
  made->lock_ = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (made->lock_ < 0) return absl::ErrnoToStatus(errno, absl::StrCat("open ", lock));
  if (flock(made->lock_, LOCK_EX | LOCK_NB) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("the scratch folder ", folder,
                     " is in use by another worker; choose another with --scratch"));
  }
  std::error_code ignored;
  std::filesystem::remove_all(made->jobs(), ignored);  // of a worker that was killed
  ESPALIER_RETURN_IF_ERROR(make_folders(made->jobs()));
  ESPALIER_ASSIGN_OR_RETURN(made->worker_id_, find_worker_id(folder + "/worker-id"));
  return made;
}

Scratch::~Scratch() {
  if (lock_ >= 0) close(lock_);
}

}  // namespace espalier::server
