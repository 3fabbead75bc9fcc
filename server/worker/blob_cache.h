// Blobs on the worker's disk by SHA-256, so that a restarted worker or the next job on the same
// model downloads nothing twice. What a job gets is a hard link: no copy, and removing an entry
// that a job still uses takes nothing from it. One process a folder.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace espalier::server {

class BlobCache {
 public:
  // Bytes from `offset` on, as many as one answer carries; empty at the end.
  using Read = std::function<absl::StatusOr<std::string>(uint64_t offset)>;

  // `folder` exists. Entries beyond `max_bytes` are removed, the longest unused first.
  BlobCache(std::string folder, uint64_t max_bytes)
      : folder_(std::move(folder)), max_bytes_(max_bytes) {}

  // Makes `destination` a link to the blob; reads it first when it is not here. DATA_LOSS when what
  // was read has another size or hash.
  absl::Status link(const std::string& sha256, uint64_t size, const Read& read,
                    const std::string& destination);
  // Takes a file in whose hash is known.
  absl::Status adopt(const std::string& path, const std::string& sha256);
  // Drops an entry that nobody will ask for again.
  void forget(const std::string& sha256);

 private:
  std::string path_of(const std::string& sha256) const { return folder_ + "/" + sha256; }
  absl::Status download(const std::string& sha256, uint64_t size, const Read& read);

  std::string folder_;
  uint64_t max_bytes_;
};

}  // namespace espalier::server
