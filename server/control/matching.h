// Which worker may run which job.
#pragma once

#include <map>
#include <string>

#include "espalier/v1/job.pb.h"
#include "espalier/worker/v1/worker.pb.h"

namespace espalier::server {

// The version of espalier.worker.v1 that this build speaks.
inline constexpr uint32_t kWorkerProtocol = 2;  // the one before is good, too

// Digests by "kind/name" of the methods in a resolved recipe.
std::map<std::string, std::string> methods_of(const espalier::v1::Job& job);

// Empty when `worker` can run `job`; otherwise what is missing. `checkpoint_format` is that of the
// job's checkpoint, 0 without one.
std::string mismatch(const espalier::v1::Job& job, int checkpoint_format,
                     const espalier::worker::v1::WorkerInfo& worker);

}  // namespace espalier::server
