// The check of what was uploaded, in a process of its own: whatever a hostile file does there, the
// queue goes on.
//
//   espalierd --inspect model FOLDER            inspect_model_folder, load_tokenizer
//   espalierd --inspect dataset FOLDER SPEC     inspect_dataset; SPEC: file of a Dataset as JSON
//
// prints one JSON object: {"ok": true, ...facts} or {"ok": false, "reason", "message"}.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/options.h"
#include "server/control/job_store.h"

namespace espalier::server {

// The check itself. Never fails: what is wrong with the files is in the answer.
Json inspect(ResourceKind kind, const std::string& folder, const Json& spec);

// What main runs for --inspect: sets its own limits, prints the answer, returns the exit code.
int inspect_main(const std::vector<std::string>& arguments);

// Who gets the check done.
class Inspector {
 public:
  virtual ~Inspector() = default;
  // The answer; an error when there was none (killed by a limit, stopped). `stop` ends it early.
  virtual absl::StatusOr<Json> run(ResourceKind kind, const std::string& folder, const Json& spec,
                                   const std::atomic<bool>& stop) = 0;
};

// In this process, for tests.
class DirectInspector : public Inspector {
 public:
  absl::StatusOr<Json> run(ResourceKind kind, const std::string& folder, const Json& spec,
                           const std::atomic<bool>& stop) override {
    return inspect(kind, folder, spec);
  }
};

// In a spawned child of this very program.
class SpawnInspector : public Inspector {
 public:
  absl::StatusOr<Json> run(ResourceKind kind, const std::string& folder, const Json& spec,
                           const std::atomic<bool>& stop) override;
};

}  // namespace espalier::server
