// Published artifacts on this machine's disk: FOLDER/artifacts/ID.MANIFEST is there whole or not at
// all.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "espalier/v1/artifact.pb.h"
#include "server/serving/model_repository.h"

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

  // Folder of a route's artifact ("projects/P/artifacts/ID"); downloaded first when it is not here.
  // Every file's size and SHA-256 are checked before the folder gets its name: DATA_LOSS says which
  // differs. ABORTED when the id now stands for other content than the route wants.
  absl::StatusOr<std::string> folder_of(const DesiredRoute& route);

  // Removes what is not in `contents` (DesiredRoute::content()) and what an interrupted download
  // left.
  void keep_only(const std::set<std::string>& contents);

 private:
  absl::Status download(const DesiredRoute& route, const std::string& folder);
  absl::Status download_file(const std::string& artifact, const v1::File& file,
                             const std::string& folder);

  const std::string folder_;
  ArtifactSource& source_;
};

}  // namespace espalier::server
