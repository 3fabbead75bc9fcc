// From a lease to the folders that compress() works on:
//
//   <folder>/model       the model's files          <folder>/checkpoint  the last checkpoint, if
//   any <folder>/dataset     the data set's files       <folder>/output      where artifacts go
#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "core/job/compress.h"
#include "espalier/worker/v1/worker.pb.h"
#include "server/worker/blob_cache.h"

namespace espalier::server {

// `read` gives a reader for a blob by SHA-256. Paths that leave their folder are INVALID_ARGUMENT.
absl::StatusOr<JobInput> prepare_job(
    const worker::v1::Lease& lease, const std::string& folder, BlobCache& cache,
    const std::function<BlobCache::Read(const std::string&)>& read);

}  // namespace espalier::server
