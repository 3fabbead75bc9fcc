// Blobs in a local folder: DATA/blobs/{project}/{first two digits}/{sha256}, staged in DATA/staged.
#pragma once

#include <array>
#include <mutex>
#include <string>

#include "server/control/blob_store.h"

namespace espalier::server {

class LocalBlobStore : public BlobStore {
 public:
  static absl::StatusOr<std::unique_ptr<LocalBlobStore>> open(const std::string& data_folder);

  absl::StatusOr<uint64_t> staged(const std::string& name) override;
  absl::StatusOr<uint64_t> stage(const std::string& name, uint64_t offset, std::string_view data,
                                 uint64_t total) override;
  absl::Status publish(const std::string& name, const std::string& project,
                       const std::string& sha256, uint64_t size) override;
  absl::Status discard(const std::string& name) override;
  absl::Status discard_stale(std::chrono::hours age) override;
  absl::StatusOr<std::string> read(const std::string& project, const std::string& sha256,
                                   uint64_t offset, uint64_t limit) override;
  absl::Status materialise(const std::string& project, const std::string& sha256,
                           const std::string& path) override;
  absl::Status remove(const std::string& project, const std::string& sha256) override;

 private:
  explicit LocalBlobStore(const std::string& data_folder);
  std::string staged_path(const std::string& name) const { return staged_ + "/" + name; }
  std::string blob_path(const std::string& project, const std::string& sha256) const;
  // One writer a staged name.
  std::mutex& lock_of(const std::string& name);

  std::string staged_, blobs_;
  std::array<std::mutex, 64> locks_;
};

}  // namespace espalier::server
