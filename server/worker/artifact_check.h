// What the fresh process of `espalier-worker --verify FOLDER` does. Links the serving engine.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace espalier::server {

// Hashes as uploaded, then the engine on the folder (which checks the golden logits that the
// artifact carries), then one answer with finite numbers.
absl::Status check_artifact(const std::string& folder);

}  // namespace espalier::server
