// BlobStore: where bytes lie. A blob has a project and a SHA-256 and never changes; what is still
// on its way is staged under a free name. Who may read what is the JobStore's business.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace espalier::server {

// Most bytes of one message that carries file content: gRPC's limit of 4 MiB less room for the
// rest.
inline constexpr uint64_t kMaxChunk = (4 << 20) - (64 << 10);

class BlobStore {
 public:
  virtual ~BlobStore() = default;

  // Bytes staged under a name; 0 when there are none.
  virtual absl::StatusOr<uint64_t> staged(const std::string& name) = 0;
  // Adds bytes; returns what is there now. They survive a crash of the process; a power cut may
  // spoil them, which publish then finds. Bytes that are there already are passed over, so a chunk
  // may come twice; a gap is OUT_OF_RANGE with the offset expected, as is more than `total`.
  virtual absl::StatusOr<uint64_t> stage(const std::string& name, uint64_t offset,
                                         std::string_view data, uint64_t total) = 0;
  // Turns staged bytes into a blob. DATA_LOSS when size or hash differ: then the staged bytes are
  // gone, and the upload starts anew.
  virtual absl::Status publish(const std::string& name, const std::string& project,
                               const std::string& sha256, uint64_t size) = 0;
  // Drops what is staged under a name, or below it.
  virtual absl::Status discard(const std::string& name) = 0;

  // Drops what nobody has added to for so long: left behind by clients and workers that died.
  virtual absl::Status discard_stale(std::chrono::hours age) = 0;

  // At most `limit` bytes from `offset`; empty at the end. DATA_LOSS when the blob is not there.
  virtual absl::StatusOr<std::string> read(const std::string& project, const std::string& sha256,
                                           uint64_t offset, uint64_t limit) = 0;
  // Makes the blob a local file.
  virtual absl::Status materialise(const std::string& project, const std::string& sha256,
                                   const std::string& path) = 0;
  virtual absl::Status remove(const std::string& project, const std::string& sha256) = 0;
};

}  // namespace espalier::server
