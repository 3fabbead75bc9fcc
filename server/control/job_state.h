// The states of a job and every way from one to another. There is no other place that changes a
// state.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "espalier/v1/job.pb.h"

namespace espalier::server {

using JobState = espalier::v1::Job::State;

// What can happen to a job.
enum class JobChange {
  kUnblock,         // the last job of `after` succeeded
  kDependencyLost,  // a job of `after` ended otherwise
  kLease,           // a worker took it, a new one or one whose lease had expired
  kRelease,         // its worker gave it back
  kRetry,           // an attempt failed, another may help
  kFail,            // an attempt failed for good
  kWorkerLost,      // the lease of its last attempt expired
  kComplete,        // its artifacts are published
  kCancel,          // a user asked for it
  kStopped,         // its worker stopped as asked, or its lease expired while it should
};

struct Transition {
  JobState from;
  JobChange change;
  JobState to;
};

// The whole table, for tests and documents.
std::span<const Transition> transitions();

// The state after `change`, or nothing when it cannot happen in `from`.
std::optional<JobState> next_state(JobState from, JobChange change);

// SUCCEEDED, FAILED, CANCELLED.
bool has_ended(JobState state);
// "RUNNING".
std::string state_name(JobState state);

}  // namespace espalier::server
