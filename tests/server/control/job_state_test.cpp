#include "server/control/job_state.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace espalier::server {
namespace {

using espalier::v1::Job;

constexpr JobState kAll[] = {Job::STATE_QUEUED,     Job::STATE_BLOCKED,   Job::STATE_RUNNING,
                             Job::STATE_CANCELLING, Job::STATE_SUCCEEDED, Job::STATE_FAILED,
                             Job::STATE_CANCELLED};
constexpr JobChange kChanges[] = {
    JobChange::kUnblock, JobChange::kDependencyLost, JobChange::kLease,      JobChange::kRelease,
    JobChange::kRetry,   JobChange::kFail,           JobChange::kWorkerLost, JobChange::kComplete,
    JobChange::kCancel,  JobChange::kStopped};

TEST(JobState, EveryPairOfStateAndChangeGoesWhereTheDocumentsSay) {
  const std::map<std::pair<JobState, JobChange>, JobState> expected{
      {{Job::STATE_BLOCKED, JobChange::kUnblock}, Job::STATE_QUEUED},
      {{Job::STATE_BLOCKED, JobChange::kDependencyLost}, Job::STATE_FAILED},
      {{Job::STATE_BLOCKED, JobChange::kCancel}, Job::STATE_CANCELLED},
      {{Job::STATE_QUEUED, JobChange::kLease}, Job::STATE_RUNNING},
      {{Job::STATE_QUEUED, JobChange::kCancel}, Job::STATE_CANCELLED},
      {{Job::STATE_RUNNING, JobChange::kLease}, Job::STATE_RUNNING},
      {{Job::STATE_RUNNING, JobChange::kRelease}, Job::STATE_QUEUED},
      {{Job::STATE_RUNNING, JobChange::kRetry}, Job::STATE_QUEUED},
      {{Job::STATE_RUNNING, JobChange::kFail}, Job::STATE_FAILED},
      {{Job::STATE_RUNNING, JobChange::kWorkerLost}, Job::STATE_FAILED},
      {{Job::STATE_RUNNING, JobChange::kComplete}, Job::STATE_SUCCEEDED},
      {{Job::STATE_RUNNING, JobChange::kCancel}, Job::STATE_CANCELLING},
      {{Job::STATE_CANCELLING, JobChange::kCancel}, Job::STATE_CANCELLING},
      {{Job::STATE_CANCELLING, JobChange::kStopped}, Job::STATE_CANCELLED},
  };
  for (JobState from : kAll) {
    for (JobChange change : kChanges) {
      const auto found = next_state(from, change);
      const auto row = expected.find({from, change});
      SCOPED_TRACE(state_name(from) + " change " + std::to_string(static_cast<int>(change)));
      ASSERT_EQ(found.has_value(), row != expected.end());
      if (found.has_value()) {
        EXPECT_EQ(*found, row->second);
      }
    }
  }
}

TEST(JobState, NothingLeavesAnEndedState) {
  for (const Transition& row : transitions()) EXPECT_FALSE(has_ended(row.from));
}

TEST(JobState, EveryStateCanBeReachedFromTheTwoFirstOnes) {
  std::set<JobState> reached{Job::STATE_QUEUED, Job::STATE_BLOCKED};
  for (size_t pass = 0; pass < transitions().size(); ++pass) {
    for (const Transition& row : transitions()) {
      if (reached.count(row.from) > 0) reached.insert(row.to);
    }
  }
  EXPECT_EQ(reached, std::set<JobState>(std::begin(kAll), std::end(kAll)));
}

TEST(JobState, NamesLoseTheirPrefix) { EXPECT_EQ(state_name(Job::STATE_CANCELLING), "CANCELLING"); }

}  // namespace
}  // namespace espalier::server
