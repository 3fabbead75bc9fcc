// The files of a .tar, .tar.gz, .tar.xz or .zip archive, one after another, in memory only: nothing
// is unpacked to disk, so no path in an archive can lead anywhere.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"

namespace espalier {

struct ArchiveLimits {
  uint64_t file_bytes = uint64_t{64} << 20;   // of a file that is wanted
  uint64_t total_bytes = uint64_t{16} << 30;  // of all files, unpacked
  uint64_t entries = uint64_t{4} << 20;
};

// Calls `take(path, bytes)` for every file whose path `wanted`, in the archive's order; an error
// of `take` ends it. Paths are the archive's own in UTF-8, not checked for anything.
// INVALID_ARGUMENT for what is no such archive, is damaged, cut short or encrypted, for a wanted
// entry that is a link, and beyond a limit.
absl::Status read_archive(
    const std::string& path, const ArchiveLimits& limits,
    const std::function<bool(const std::string& path)>& wanted,
    const std::function<absl::Status(const std::string& path, std::string bytes)>& take);

}  // namespace espalier
