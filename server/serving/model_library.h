// Static mode: models in folders of this machine, loaded and unloaded by name.
//
// An artifact's folder is told by its config.json. A model's folder is an artifact, whose version
// is then the folder's own name, or holds one artifact a version: FOLDER/VERSION/config.json.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/serving/model_repository.h"
#include "server/serving/versions.h"

namespace espalier::server {

struct LibraryOptions {
  std::vector<std::pair<std::string, std::string>> models;  // name -> folder
  std::string repository;                                   // of NAME/; "" for none
  VersionPolicies policies;
};

// Thread-safe; one change at a time.
class ModelLibrary {
 public:
  // `repository` outlives the library.
  ModelLibrary(LibraryOptions options, ModelRepository& repository)
      : options_(std::move(options)), repository_(repository) {}

  // Every model that there is. FAILED_PRECONDITION names the first that does not load.
  absl::Status load_all();
  // The versions that are on disk now; what did not change stays, what is gone or no longer in the
  // policy drains. NOT_FOUND for a name that has no folder; a version that does not load leaves the
  // one that was there, and is the error.
  absl::Status load(const std::string& name);
  // See ModelRepository::unload.
  absl::Status unload(const std::string& name);

  // The server stops: loads and unloads that wait or come are UNAVAILABLE, so that it need not wait
  // for more than the one that runs.
  void close() { closed_ = true; }

  const VersionPolicy& policy_of(const std::string& name) const { return options_.policies[name]; }

 private:
  absl::Status check_open() const;
  absl::StatusOr<std::string> folder_of(const std::string& name) const;
  absl::StatusOr<DesiredModel> scan(const std::string& name, const std::string& folder) const;
  absl::StatusOr<std::vector<DesiredModel>> scan_all() const;

  const LibraryOptions options_;
  ModelRepository& repository_;
  std::mutex changing_;
  std::atomic<bool> closed_{false};
};

}  // namespace espalier::server
