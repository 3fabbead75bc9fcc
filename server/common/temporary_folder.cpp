#include "server/common/temporary_folder.h"

#include <cstdlib>
#include <filesystem>

#include "core/base/files.h"
#include "core/base/status_macros.h"

namespace espalier::server {

// The default, /tmp, may be a tmpfs: memory again, and of all processes. Our own folder is where
// the user wanted large things to lie.
absl::Status set_temporary_folder(const std::string& folder) {
  const char* now = std::getenv("TMPDIR");
  if (now != nullptr && *now != '\0') return absl::OkStatus();
  ESPALIER_RETURN_IF_ERROR(make_folders(folder));
  ::setenv("TMPDIR", std::filesystem::absolute(folder).c_str(), 1);
  return absl::OkStatus();
}

}  // namespace espalier::server
