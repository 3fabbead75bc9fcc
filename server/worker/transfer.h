// Files between a job's folder and the blob store of espalierd, in chunks.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/worker/blob_cache.h"
#include "server/worker/held_lease.h"

namespace espalier::server {

// Reads a blob that the lease names; waits for an espalierd that is away.
BlobCache::Read blob_reader(HeldLease& lease, std::string sha256);

// Uploads every file below `folder` and returns them with size and hash. Content that the store has
// is not sent again; a broken upload goes on where it stopped. Waits for an espalierd that is away
// unless `abandon` says so (CANCELLED). DATA_LOSS after three tries that arrived damaged.
absl::StatusOr<std::vector<espalier::v1::File>> upload_folder(
    HeldLease& lease, const std::string& folder, const std::function<bool()>& abandon = {});

}  // namespace espalier::server
