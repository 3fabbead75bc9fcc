#include "server/control/job_state.h"

#include <array>

namespace espalier::server {
namespace {

using espalier::v1::Job;

constexpr std::array kTransitions{
    Transition{Job::STATE_BLOCKED, JobChange::kUnblock, Job::STATE_QUEUED},
    Transition{Job::STATE_BLOCKED, JobChange::kDependencyLost, Job::STATE_FAILED},
    Transition{Job::STATE_BLOCKED, JobChange::kCancel, Job::STATE_CANCELLED},
    Transition{Job::STATE_QUEUED, JobChange::kLease, Job::STATE_RUNNING},
    Transition{Job::STATE_QUEUED, JobChange::kCancel, Job::STATE_CANCELLED},
    Transition{Job::STATE_RUNNING, JobChange::kLease, Job::STATE_RUNNING},
    Transition{Job::STATE_RUNNING, JobChange::kRelease, Job::STATE_QUEUED},
    Transition{Job::STATE_RUNNING, JobChange::kRetry, Job::STATE_QUEUED},
    Transition{Job::STATE_RUNNING, JobChange::kFail, Job::STATE_FAILED},
    Transition{Job::STATE_RUNNING, JobChange::kWorkerLost, Job::STATE_FAILED},
    Transition{Job::STATE_RUNNING, JobChange::kComplete, Job::STATE_SUCCEEDED},
    Transition{Job::STATE_RUNNING, JobChange::kCancel, Job::STATE_CANCELLING},
    Transition{Job::STATE_CANCELLING, JobChange::kCancel, Job::STATE_CANCELLING},
    Transition{Job::STATE_CANCELLING, JobChange::kStopped, Job::STATE_CANCELLED},
};

}  // namespace

std::span<const Transition> transitions() { return kTransitions; }

std::optional<JobState> next_state(JobState from, JobChange change) {
  for (const Transition& row : kTransitions) {
    if (row.from == from && row.change == change) return row.to;
  }
  return std::nullopt;
}

bool has_ended(JobState state) {
  return state == Job::STATE_SUCCEEDED || state == Job::STATE_FAILED ||
         state == Job::STATE_CANCELLED;
}

std::string state_name(JobState state) {
  const std::string name = Job::State_Name(state);
  constexpr size_t kPrefix = sizeof("STATE_") - 1;
  return name.size() > kPrefix ? name.substr(kPrefix) : name;
}

}  // namespace espalier::server
