#include <set>
#include <thread>

#include "tests/server/control/store_fixture.h"

namespace espalier::server {
namespace {

using espalier::v1::Job;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Lease : public StoreTest {
 protected:
  Lease() { add_model("m"); }
  void expire() {
    clock.advance(rules.lease_ms + 1);
    ASSERT_TRUE(store->sweep().ok());
  }
};

TEST_F(Lease, AWorkerGetsTheOldestJobOfTheHighestPriority) {
  submit("early").value();
  submit("late").value();
  Job urgent = new_job("urgent");
  urgent.set_priority(5);
  submit(urgent).value();
  EXPECT_EQ(lease("w1").job.id, "urgent");
  EXPECT_EQ(lease("w2").job.id, "early");
  EXPECT_EQ(lease("w3").job.id, "late");
  EXPECT_EQ(lease("w4").job.id, "");
}

TEST_F(Lease, ALeasedJobIsRunningUnderItsWorkerWithAStartTime) {
  submit("a").value();
  lease("w1");
  EXPECT_EQ(state("a"), "RUNNING");
  EXPECT_EQ(job("a").worker(), "w1");
  EXPECT_EQ(job("a").attempt(), 1u);
  EXPECT_TRUE(job("a").has_start_time());
}

TEST_F(Lease, TheFenceGrowsWithEachLease) {
  submit("a").value();
  const LeaseHold first = lease("w1");
  ASSERT_TRUE(store->release_job(first).ok());
  EXPECT_GT(lease("w2").fence, first.fence);
}

TEST_F(Lease, AHeartbeatSucceedsPastExpiryUntilSomeoneElseClaimed) {
  submit("a").value();
  const LeaseHold hold = lease("w1");
  expire();
  EXPECT_EQ(job("a").state_reason(), "LEASE_EXPIRED");
  ASSERT_TRUE(store->heartbeat(hold).ok());
  EXPECT_EQ(job("a").state_reason(), "");
  EXPECT_EQ(lease("w2").job.id, "") << "the heartbeat renewed it";

  expire();
  EXPECT_EQ(lease("w2").job.id, "a");
  const absl::Status late = store->heartbeat(hold).status();
  EXPECT_EQ(late.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(reason(late), "STALE_FENCE");
}

TEST_F(Lease, EveryWriteUnderAnOldFenceIsAborted) {
  submit("a").value();
  const LeaseHold old = lease("w1");
  expire();
  const LeaseHold now = lease("w2");
  for (const absl::Status& status :
       {store->heartbeat(old).status(), store->report_progress(old, {}, "phase", "x").status(),
        store->commit_checkpoint(old, {}).status(), store->check_lease(old),
        store->check_read(old, "x"), store->complete_job(old, {}).status(), fail(old, "X", true),
        store->release_job(old).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << status;
    EXPECT_EQ(reason(status), "STALE_FENCE");
  }
  EXPECT_TRUE(store->heartbeat(now).ok());
}

TEST_F(Lease, AnotherWorkersNameDoesNotOpenALease) {
  submit("a").value();
  LeaseHold hold = lease("w1");
  hold.worker = "thief";
  EXPECT_EQ(reason(store->heartbeat(hold).status()), "STALE_FENCE");
}

TEST_F(Lease, AnExpiredLeaseCountsAsAnAttemptAndTheLastOneFailsTheJob) {
  submit("a").value();
  for (int attempt = 1; attempt <= rules.max_attempts; ++attempt) {
    EXPECT_EQ(lease(absl::StrCat("w", attempt)).job.id, "a");
    expire();
  }
  EXPECT_EQ(state("a"), "FAILED");
  EXPECT_EQ(job("a").failure().reason(), "WORKER_LOST");
  EXPECT_EQ(lease("w9").job.id, "");
}

TEST_F(Lease, GivingAJobBackUsesUpNoAttempt) {
  submit("a").value();
  for (int i = 0; i < 2 * rules.max_attempts; ++i) ASSERT_TRUE(store->release_job(lease("w")).ok());
  EXPECT_EQ(state("a"), "QUEUED");
  EXPECT_EQ(job("a").attempt(), 0u);
}

TEST_F(Lease, ARestartOfTheControlPlaneRestartsNothing) {
  submit("a").value();
  const LeaseHold hold = lease("w1");
  clock.advance(10 * rules.lease_ms);  // down for long
  open();
  EXPECT_EQ(store->sweep()->expired, 0);
  EXPECT_EQ(lease("w2").job.id, "") << "the sweeper waits one lease period after a start";
  EXPECT_TRUE(store->heartbeat(hold).ok());
}

TEST_F(Lease, AWorkerThatAsksAgainTakesUpAtOnceWhatItHeld) {
  submit("a").value();
  const LeaseHold lost = lease("w1");
  const LeaseHold again = lease("w1");
  EXPECT_EQ(again.job.id, "a");
  EXPECT_GT(again.fence, lost.fence);
  EXPECT_EQ(job("a").attempt(), 2u);
}

TEST_F(Lease, AWorkerThatDiesInEveryAttemptDoesNotGoOnForever) {
  submit("a").value();
  for (int i = 0; i < rules.max_attempts; ++i) EXPECT_EQ(lease("w1").job.id, "a");
  EXPECT_EQ(lease("w1").job.id, "");
  expire();
  EXPECT_EQ(state("a"), "FAILED");
}

TEST_F(Lease, AQueuedJobIsCancelledAtOnce) {
  submit("a").value();
  ASSERT_TRUE(store->cancel_job({"default", "a"}).ok());
  EXPECT_EQ(state("a"), "CANCELLED");
  EXPECT_EQ(lease("w").job.id, "");
}

TEST_F(Lease, ARunningJobLearnsOfItsCancellationByEveryAnswer) {
  submit("a").value();
  const LeaseHold hold = lease("w");
  EXPECT_FALSE(store->heartbeat(hold).value());
  store->cancel_job({"default", "a"}).value();
  EXPECT_EQ(state("a"), "CANCELLING");
  EXPECT_TRUE(store->heartbeat(hold).value());
  EXPECT_TRUE(store->report_progress(hold, {}, "", "").value());
  EXPECT_TRUE(store->commit_checkpoint(hold, {}).value());
  ASSERT_TRUE(fail(hold, "CANCELLED", false).ok());
  EXPECT_EQ(state("a"), "CANCELLED");
  EXPECT_FALSE(job("a").has_failure());
}

TEST_F(Lease, ACancellingJobWhoseWorkerIsGoneBecomesCancelled) {
  submit("a").value();
  lease("w");
  store->cancel_job({"default", "a"}).value();
  expire();
  EXPECT_EQ(state("a"), "CANCELLED");
}

TEST_F(Lease, OfCancelAndCompleteTheFirstWins) {
  submit("cancelled").value();
  const LeaseHold first = lease("w");
  store->cancel_job({"default", "cancelled"}).value();
  const absl::Status late = store->complete_job(first, {}).status();
  EXPECT_EQ(late.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(reason(late), "CANCELLED");
  ASSERT_TRUE(fail(first, "CANCELLED", false).ok());

  submit("completed").value();
  ASSERT_TRUE(store->complete_job(lease("w"), {}).ok());
  EXPECT_EQ(store->cancel_job({"default", "completed"}).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(state("completed"), "SUCCEEDED");
}

TEST_F(Lease, CompletingTwiceUnderOneFenceGivesTheSameAnswer) {
  submit("a").value();
  const LeaseHold hold = lease("w");
  const auto first = store->complete_job(hold, {NewArtifact{}, NewArtifact{}});
  EXPECT_THAT(*first,
              ElementsAre("projects/default/artifacts/a", "projects/default/artifacts/a-2"));
  EXPECT_EQ(*store->complete_job(hold, {NewArtifact{}, NewArtifact{}}), *first);
  EXPECT_EQ(store->artifacts({"default"})->rows.size(), 2u);
  EXPECT_THAT(job("a").artifacts(),
              ElementsAre("projects/default/artifacts/a", "projects/default/artifacts/a-2"));
}

TEST_F(Lease, NothingIsPublishedWhenAFileIsMissing) {
  submit("a").value();
  NewArtifact artifact;
  artifact.files.push_back({"model.safetensors", 5, std::string(64, 'a'), ""});
  const LeaseHold hold = lease("w");
  EXPECT_EQ(reason(store->complete_job(hold, {artifact}).status()), "MISSING_BLOB");
  EXPECT_EQ(state("a"), "RUNNING");
  EXPECT_THAT(store->artifacts({"default"})->rows, IsEmpty());
}

TEST_F(Lease, AFailureThatMayPassIsTriedAgainAfterABackoff) {
  submit("a").value();
  ASSERT_TRUE(fail(lease("w"), "DISK_FULL", true).ok());
  EXPECT_EQ(state("a"), "QUEUED");
  EXPECT_EQ(lease("w").job.id, "");
  clock.advance(rules.backoff_ms);
  EXPECT_EQ(lease("w").job.id, "a");
  EXPECT_EQ(job("a").attempt(), 2u);
}

TEST_F(Lease, AFailureOfTheJobsOwnIsNotTriedAgain) {
  submit("a").value();
  ASSERT_TRUE(fail(lease("w"), "DIVERGED", false).ok());
  EXPECT_EQ(state("a"), "FAILED");
  EXPECT_EQ(job("a").failure().reason(), "DIVERGED");
}

TEST_F(Lease, OnlyAWorkerWithTheJobsLabelsAndMethodsGetsIt) {
  Job picky = new_job("a");
  (*picky.mutable_worker_labels())["zone"] = "b";
  auto& pruner =
      *(*picky.mutable_resolved_recipe()->mutable_fields())["pruner"].mutable_struct_value();
  (*pruner.mutable_fields())["name"].set_string_value("taylor");
  (*pruner.mutable_fields())["digest"].set_string_value("d1");
  submit(picky).value();

  auto able = worker("w");
  EXPECT_FALSE(store->claim(able).value().has_value());
  (*able.mutable_labels())["zone"] = "b";
  EXPECT_FALSE(store->claim(able).value().has_value());
  (*able.mutable_methods())["pruner/taylor"] = "d0";
  EXPECT_FALSE(store->claim(able).value().has_value());
  (*able.mutable_methods())["pruner/taylor"] = "d1";
  EXPECT_TRUE(store->claim(able).value().has_value());
}

TEST_F(Lease, ACheckpointGoesToTheNextWorkerThatReadsItsFormat) {
  submit("a").value();
  const LeaseHold hold = lease("w1");
  const StoredFile file{"state.bin", 3, std::string(64, 'c'), ""};
  EXPECT_EQ(reason(store->commit_checkpoint(hold, {{file}, "cpu"}).status()), "MISSING_BLOB");
  ASSERT_TRUE(store->add_blob("default", file).ok());
  ASSERT_TRUE(store->commit_checkpoint(hold, {{file}, "cpu"}).ok());
  EXPECT_TRUE(store->check_read(hold, file.sha256).ok());
  ASSERT_TRUE(store->release_job(hold).ok());

  auto other_format = worker("w2");
  other_format.set_checkpoint_format(2);
  EXPECT_FALSE(store->claim(other_format).value().has_value());
  auto claim = store->claim(worker("w3")).value();
  ASSERT_TRUE(claim.has_value());
  EXPECT_EQ(claim->checkpoint.files.size(), 1u);
  EXPECT_EQ(claim->checkpoint.compute_class, "cpu");
}

TEST_F(Lease, ALeaseReadsOnlyWhatItNames) {
  submit("a").value();
  const LeaseHold hold = lease("w");
  ASSERT_TRUE(store->add_blob("default", {"x", 1, std::string(64, 'd'), ""}).ok());
  EXPECT_EQ(store->check_read(hold, std::string(64, 'd')).code(),
            absl::StatusCode::kPermissionDenied);
}

TEST_F(Lease, EventsTellAJobsHistoryInOrder) {
  submit("a").value();
  const LeaseHold hold = lease("w");
  store->report_progress(hold, {}, "", "only the place").value();
  espalier::v1::Progress progress;
  progress.set_phase("finetune");
  store->report_progress(hold, progress, "phase", "finetune starts").value();
  store->complete_job(hold, {}).value();
  EXPECT_THAT(event_kinds("a"), ElementsAre("created", "leased", "phase", "succeeded"));
  const auto rest = store->events({"default", "a"}, 2, 100).value();
  ASSERT_EQ(rest.size(), 2u);
  EXPECT_EQ(rest[0].seq(), 3u);
  EXPECT_EQ(rest[0].progress().phase(), "finetune");
  EXPECT_EQ(job("a").progress().phase(), "finetune");
}

TEST_F(Lease, EightWorkersClaimFiveHundredJobsEachOnce) {
  constexpr int kJobs = 500;
  for (int i = 0; i < kJobs; ++i) submit(absl::StrCat("j", i)).value();
  std::vector<std::vector<std::string>> claimed(8);
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      while (true) {
        const LeaseHold hold = lease(absl::StrCat("w", t));
        if (hold.job.id.empty()) return;
        claimed[t].push_back(hold.job.id);
        EXPECT_TRUE(store->complete_job(hold, {}).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<std::string> all;
  size_t total = 0;
  for (const auto& one : claimed) {
    all.insert(one.begin(), one.end());
    total += one.size();
  }
  EXPECT_EQ(all.size(), static_cast<size_t>(kJobs));
  EXPECT_EQ(total, static_cast<size_t>(kJobs));
}

}  // namespace
}  // namespace espalier::server
