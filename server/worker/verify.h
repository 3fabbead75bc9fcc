// Verification of an artifact before it is published: a fresh process, which shares no memory with
// the training that wrote it, checks every file against the hash it was uploaded with, loads the
// folder in the serving engine and answers one text.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "espalier/v1/common.pb.h"

namespace espalier::server {

// The list "sha256  path" a line that goes with a folder, at <folder>.sha256.
absl::Status write_manifest(const std::string& folder,
                            const std::vector<espalier::v1::File>& files);
// Every listed file has its hash and there are no others; DATA_LOSS names the first that differs.
absl::Status check_manifest(const std::string& folder);

// Runs `command` (the program and its arguments) with nothing blocked and waits for it. An exit
// code other than 0 is INTERNAL with the last line that it wrote to its standard output. `abandon`
// kills it (CANCELLED).
absl::Status run_child(const std::vector<std::string>& command,
                       const std::function<bool()>& abandon = {});

}  // namespace espalier::server
