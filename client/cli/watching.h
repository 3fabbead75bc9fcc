// Watching a job until it ends, as several commands do it.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "client/cli/app.h"

namespace espalier::cli {

// Shows events (stdout; stderr under --output json; nowhere under --quiet) and returns the ended
// job.
absl::StatusOr<v1::Job> watch(const Context& context, const std::string& id,
                              uint64_t after_seq = 0);
// Prints how the job ended; 0 for SUCCEEDED, 1 otherwise.
ExitCode show_ended(const Context& context, const absl::StatusOr<v1::Job>& job);
// One job for people.
std::string job_text(const v1::Job& job);

}  // namespace espalier::cli
