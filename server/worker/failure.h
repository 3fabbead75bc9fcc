// How the end of compress() is told to espalierd.
#pragma once

#include "absl/status/status.h"
#include "core/job/compress.h"
#include "espalier/v1/common.pb.h"

namespace espalier::server {

// The reason that the status carries (server/common/status.h), or one for its code:
// INVALID_ARGUMENT is BAD_INPUT, DATA_LOSS is BAD_DATA, ... Phase and step are those of the last
// progress. The message is bounded (server/common/bounded_text.h).
espalier::v1::Failure failure_of(const absl::Status& status, const JobProgress& last);

// False when it is the job's own fault, which another attempt would only repeat.
bool is_retryable(const absl::Status& status);

}  // namespace espalier::server
