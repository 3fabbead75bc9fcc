// Published artifacts on this machine's disk: FOLDER/artifacts/ID is there whole or not at all.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "espalier/v1/artifact.pb.h"

namespace espalier::server {

// Where artifacts come from: ArtifactService, or a fake.
class ArtifactSource {
 public:
  virtual ~ArtifactSource() = default;
  virtual absl::StatusOr<v1::Artifact> get(const std::string& artifact) = 0;
  // Bytes of a file from `offset` on, as many as the source likes; empty at its end.
  virtual absl::StatusOr<std::string> read(const std::string& artifact, const std::string& path,
                                           uint64_t offset) = 0;
};

class ArtifactCache {
 public:
  // `source` outlives the cache.
  ArtifactCache(std::string folder, ArtifactSource& source)
      : folder_(std::move(folder)), source_(source) {}

  // Folder of an artifact ("projects/P/artifacts/ID"); downloaded first when it is not here. Every
  // file's size and SHA-256 are checked before the folder gets its name: DATA_LOSS says which
  // differs.
  absl::StatusOr<std::string> folder_of(const std::string& artifact);

  // Removes what is not in `ids` and what an interrupted download left.
  void keep_only(const std::set<std::string>& ids);

 private:
  absl::Status download(const std::string& artifact, const std::string& folder);
  absl::Status download_file(const std::string& artifact, const v1::File& file,
                             const std::string& folder);

  const std::string folder_;
  ArtifactSource& source_;
};

}  // namespace espalier::server
