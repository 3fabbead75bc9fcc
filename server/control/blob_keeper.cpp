#include "server/control/blob_keeper.h"

#include <algorithm>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "server/common/status.h"

namespace espalier::server {
namespace {

constexpr int64_t kGarbageAge = 24LL * 60 * 60 * 1000;

constexpr std::chrono::hours kStaleUpload{7 * 24};

std::string staged_name(const UploadRow& upload) {
  return absl::StrCat("uploads/", upload.key.project, "/", upload.key.id);
}
std::string staged_name(const LeaseHold& hold) {
  return absl::StrCat("attempts/", hold.job.project, "/", hold.job.id, "/", hold.fence);
}

}  // namespace

absl::StatusOr<uint64_t> BlobKeeper::committed(const UploadRow& upload) {
  if (upload.finalized) return upload.size;
  return blobs_.staged(staged_name(upload));
}

absl::StatusOr<uint64_t> BlobKeeper::stage(const std::string& name, const Chunk& chunk,
                                           uint64_t total) {
  if (chunk.data.size() > kMaxChunk) {
    return with_reason(
        absl::InvalidArgumentError(absl::StrCat("the chunk has ", chunk.data.size(),
                                                " bytes; at most ", kMaxChunk, " are allowed")),
        "CHUNK_TOO_LARGE", "data");
  }
  if (const uint32_t found = crc32c(chunk.data); found != chunk.crc32c) {
    return with_reason(absl::DataLossError(
                           absl::StrCat("the chunk at offset ", chunk.offset, " has crc32c ", found,
                                        ", but ", chunk.crc32c, " was announced; send it again")),
                       "WRONG_CRC", "crc32c");
  }
  ESPALIER_ASSIGN_OR_RETURN(const uint64_t there,
                            blobs_.stage(name, chunk.offset, chunk.data, total));
  uploaded_.Increment(static_cast<double>(chunk.data.size()));
  return there;
}

absl::StatusOr<uint64_t> BlobKeeper::write(const UploadRow& upload, const Chunk& chunk) {
  if (upload.finalized) return upload.size;
  return stage(staged_name(upload), chunk, upload.size);
}

absl::Status BlobKeeper::keep(const std::string& staged, const std::string& project,
                              const StoredFile& blob) {
  std::shared_lock lock(lifetime_);
  ESPALIER_RETURN_IF_ERROR(blobs_.publish(staged, project, blob.sha256, blob.size));
  return store_.add_blob(project, blob);
}

absl::StatusOr<std::optional<Resource>> BlobKeeper::finalize(const UploadRow& upload) {
  if (upload.finalized) return std::nullopt;
  ESPALIER_RETURN_IF_ERROR(
      keep(staged_name(upload), upload.key.project, {upload.path, upload.size, upload.sha256, ""}));
  return store_.finish_upload(upload.key);
}

absl::StatusOr<uint64_t> BlobKeeper::write_for(const LeaseHold& hold, const StoredFile& blob,
                                               const Chunk& chunk) {
  {
    std::shared_lock lock(lifetime_);
    auto known = store_.blob_size(hold.job.project, blob.sha256);
    if (known.ok() && *known == blob.size) {
      ESPALIER_RETURN_IF_ERROR(store_.add_blob(hold.job.project, blob));
      return blob.size;
    }
  }
  const std::string name = absl::StrCat(staged_name(hold), "/", blob.sha256);
  ESPALIER_ASSIGN_OR_RETURN(const uint64_t there, stage(name, chunk, blob.size));
  if (there == blob.size) ESPALIER_RETURN_IF_ERROR(keep(name, hold.job.project, blob));
  return there;
}

void BlobKeeper::discard_attempt(const LeaseHold& hold) { (void)blobs_.discard(staged_name(hold)); }

absl::StatusOr<std::string> BlobKeeper::read(const std::string& project, const std::string& sha256,
                                             uint64_t offset, uint64_t limit) {
  return blobs_.read(project, sha256, offset, limit == 0 ? 1 << 20 : std::min(limit, kMaxChunk));
}

absl::StatusOr<int> BlobKeeper::collect() {
  std::unique_lock lock(lifetime_);
  ESPALIER_ASSIGN_OR_RETURN(auto garbage, store_.forget_blobs(clock_.wall_ms() - kGarbageAge));
  for (const BlobRow& blob : garbage) {
    ESPALIER_RETURN_IF_ERROR(blobs_.remove(blob.project, blob.sha256));
  }
  ESPALIER_RETURN_IF_ERROR(blobs_.discard_stale(kStaleUpload));
  return static_cast<int>(garbage.size());
}

}  // namespace espalier::server
