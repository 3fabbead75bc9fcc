#include "core/base/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/status_macros.h"

namespace espalier {
namespace fs = std::filesystem;
namespace {

constexpr char kAside[] = ".part.";  // in the names of files that are being written
constexpr std::chrono::hours kAbandoned{24};

absl::Status errno_error(const std::string& what) {
  int code = errno;
  return absl::ErrnoToStatus(code, what);
}

absl::Status sync_path(const std::string& path, int flags) {
  int fd = ::open(path.c_str(), flags);
  if (fd < 0) return errno_error(absl::StrCat("open ", path));
  int result = ::fsync(fd);
  absl::Status status = result == 0 ? absl::OkStatus() : errno_error(absl::StrCat("fsync ", path));
  ::close(fd);
  return status;
}

}  // namespace

absl::StatusOr<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in || fs::is_directory(path)) return absl::NotFoundError(absl::StrCat("cannot read ", path));
  std::ostringstream out;
  out << in.rdbuf();
  if (in.bad()) return absl::DataLossError(absl::StrCat("reading ", path, " failed"));
  return std::move(out).str();
}

absl::Status sync_folder(const std::string& path) {
  return sync_path(path.empty() ? "." : path, O_RDONLY | O_DIRECTORY);
}

absl::Status publish_file(const std::string& written_aside, const std::string& path) {
  ESPALIER_RETURN_IF_ERROR(sync_path(written_aside, O_RDONLY));
  if (::rename(written_aside.c_str(), path.c_str()) != 0) {
    return errno_error(absl::StrCat("rename ", written_aside, " to ", path));
  }
  return sync_folder(fs::path(path).parent_path().string());
}

std::string aside_of(const std::string& path) {
  // Process ids of two containers may be equal.
  return absl::StrCat(path, kAside, ::getpid(), ".", std::random_device{}());
}

absl::Status write_file(const std::string& path, std::string_view content) {
  const std::string aside = aside_of(path);
  {
    std::ofstream out(aside, std::ios::binary | std::ios::trunc);
    out.write(content.data(), static_cast<std::streamsize>(content.size()));
    out.flush();
    if (!out) return errno_error(absl::StrCat("write ", aside));
  }
  return publish_file(aside, path);
}

absl::Status make_folders(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error)
    return absl::InternalError(absl::StrCat("cannot make folder ", path, ": ", error.message()));
  return absl::OkStatus();
}

void trim_folder(const std::string& path, uint64_t max_bytes) {
  struct Entry {
    fs::file_time_type used;
    uint64_t size;
    fs::path path;
  };
  std::vector<Entry> unused;
  uint64_t total = 0;
  std::error_code error;
  const auto abandoned = fs::file_time_type::clock::now() - kAbandoned;
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    std::error_code gone;  // another process trims too
    const uint64_t size = it->file_size(gone);
    if (gone) continue;
    const Entry entry{it->last_write_time(gone), size, it->path()};
    if (gone) continue;
    const bool aside = entry.path.filename().string().find(kAside) != std::string::npos;
    if (aside && entry.used < abandoned && fs::remove(entry.path, gone)) continue;
    total += size;
    if (!aside && it->hard_link_count(gone) == 1) unused.push_back(entry);
  }
  std::sort(unused.begin(), unused.end(),
            [](const Entry& a, const Entry& b) { return a.used < b.used; });
  for (const Entry& entry : unused) {
    if (total <= max_bytes) break;
    if (fs::remove(entry.path, error)) total -= entry.size;
  }
}

absl::StatusOr<std::vector<std::string>> list_files(const std::string& root) {
  std::error_code error;
  std::vector<std::string> out;
  for (fs::recursive_directory_iterator it(root, error), end; !error && it != end;
       it.increment(error)) {
    if (it->is_regular_file()) out.push_back(fs::relative(it->path(), root).generic_string());
  }
  if (error) return absl::NotFoundError(absl::StrCat("cannot list ", root, ": ", error.message()));
  std::sort(out.begin(), out.end());
  return out;
}

absl::Status check_relative_path(std::string_view path) {
  std::string text(path);
  auto bad = [&](const char* why) {
    return absl::InvalidArgumentError(absl::StrCat("path '", text, "' ", why));
  };
  if (text.empty()) return bad("is empty");
  if (text.size() > 512) return bad("is longer than 512 bytes");
  for (const char c : text) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(c)) || c == '\\') {
      return bad("holds a control character or a backslash");
    }
  }
  for (absl::string_view part : absl::StrSplit(text, '/')) {
    if (part.empty() || part == "." || part == "..")
      return bad("leaves its folder or has an empty part");
  }
  return absl::OkStatus();
}

absl::StatusOr<Json> read_json(const std::string& path) {
  ESPALIER_ASSIGN_OR_RETURN(std::string text, read_file(path));
  try {
    return Json::parse(text);
  } catch (const std::exception& e) {
    return absl::InvalidArgumentError(absl::StrCat(path, " is not JSON: ", e.what()));
  }
}

}  // namespace espalier
