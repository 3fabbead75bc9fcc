// Where the temporary files of a process lie, above all the data sets that it does not hold in
// memory (core/base/large_array.h).
#pragma once

#include <string>

#include "absl/status/status.h"

namespace espalier::server {

// Makes `folder` and lets TMPDIR name it. Where the user has set TMPDIR, that stays and nothing is
// made. For this process and its children; to be called before there are threads.
absl::Status set_temporary_folder(const std::string& folder);

}  // namespace espalier::server
