// BlobKeeper: bytes (BlobStore) and the knowledge of them (JobStore) kept in step. Every path by
// which content comes in or goes away leads through here.
#pragma once

#include <prometheus/counter.h>

#include <shared_mutex>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/control/blob_store.h"
#include "server/control/clock.h"
#include "server/control/job_store.h"

namespace espalier::server {

// One chunk, as both WriteChunk and WriteBlob carry it.
struct Chunk {
  uint64_t offset = 0;
  const std::string& data;
  uint32_t crc32c = 0;
};

class BlobKeeper {
 public:
  BlobKeeper(JobStore& store, BlobStore& blobs, const Clock& clock, prometheus::Counter& uploaded)
      : store_(store), blobs_(blobs), clock_(clock), uploaded_(uploaded) {}

  // Bytes of an upload that are here; all of them when it is finalized.
  absl::StatusOr<uint64_t> committed(const UploadRow& upload);
  absl::StatusOr<uint64_t> write(const UploadRow& upload, const Chunk& chunk);
  // Checks size and hash and keeps the content. Returns the resource whose last file this was.
  absl::StatusOr<std::optional<Resource>> finalize(const UploadRow& upload);

  // A worker's blob, staged below the attempt; kept as soon as it is whole.
  absl::StatusOr<uint64_t> write_for(const LeaseHold& hold, const StoredFile& blob,
                                     const Chunk& chunk);
  // Drops what an attempt has staged.
  void discard_attempt(const LeaseHold& hold);

  absl::StatusOr<std::string> read(const std::string& project, const std::string& sha256,
                                   uint64_t offset, uint64_t limit);
  // Removes content that nothing has referred to for a day; returns the number of blobs.
  absl::StatusOr<int> collect();

 private:
  absl::StatusOr<uint64_t> stage(const std::string& name, const Chunk& chunk, uint64_t total);
  absl::Status keep(const std::string& staged, const std::string& project, const StoredFile& blob);

  JobStore& store_;
  BlobStore& blobs_;
  const Clock& clock_;
  prometheus::Counter& uploaded_;
  // Shared by those who add content, exclusive while it is collected: nothing is removed between
  // the moment it arrives and the moment it is known.
  std::shared_mutex lifetime_;
};

}  // namespace espalier::server
