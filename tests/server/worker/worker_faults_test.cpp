// What a worker does when the world around it fails.
#include <stdexcept>

#include "tests/server/worker/worker_fixture.h"

namespace espalier::server::testing_ {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class WorkerFaultsTest : public WorkerFixture {
 protected:
  // The one failure that espalierd was told.
  wire::FailJobRequest failure() {
    EXPECT_TRUE(control_.wait([&] { return !control_.failed.empty(); }));
    return control_.failed.empty() ? wire::FailJobRequest() : control_.failed[0];
  }
};

TEST_F(WorkerFaultsTest, AnOutageOfTheControlPlaneStopsNothing) {
  control_.offer(control_.lease("a"));
  start([this](const JobInput& input, const JobHooks& hooks) -> absl::StatusOr<JobOutput> {
    hooks.progress({.phase = "finetune", .phase_change = true});
    EXPECT_TRUE(
        control_.wait([&] { return control_.heartbeats > 1 && !control_.progress.empty(); }));
    control_.stop();
    for (int step = 1; step <= 20; ++step) {
      hooks.progress({.phase = "finetune", .step = step});
      breathe();
    }
    hooks.progress({.phase = "prune", .phase_change = true});
    EXPECT_TRUE(write_file(input.checkpoint_folder + "/state.json", "x").ok());
    EXPECT_TRUE(hooks.checkpoint_written().ok());  // does not wait for the network
    EXPECT_FALSE(hooks.cancelled());
    int before = control_.heartbeats;
    control_.start();
    EXPECT_TRUE(control_.wait([&] { return control_.heartbeats > before; }));
    EXPECT_TRUE(
        control_.wait([&] { return control_.progress.back().progress().phase() == "prune"; }));
    EXPECT_TRUE(control_.wait([&] { return !control_.checkpoints.empty(); }));
    return artifact(input, "weights");
  });
  ASSERT_TRUE(control_.wait([&] { return !control_.completed.empty(); }));
  stop();
  EXPECT_LE(control_.progress.size(), 10u);  // what waited was coalesced
  EXPECT_THAT(metrics_.text(), HasSubstr("{outcome=\"succeeded\"} 1\n"));
}

TEST_F(WorkerFaultsTest, AnOutageAtTheEndDelaysThePublication) {
  control_.offer(control_.lease("a"));
  std::atomic<bool> away{false};
  start([&](const JobInput& input, const JobHooks&) {
    control_.stop();
    away = true;
    return artifact(input, "weights");
  });
  while (!away) breathe();
  control_.start();
  EXPECT_TRUE(control_.wait([&] { return !control_.completed.empty(); }));
}

TEST_F(WorkerFaultsTest, AZombieStopsAtOnceWritesNothingAndTakesTheNextJob) {
  control_.offer(control_.lease("a"));
  std::atomic<int> runs{0};
  start([&](const JobInput& input, const JobHooks& hooks) -> absl::StatusOr<JobOutput> {
    if (++runs == 2) return artifact(input, "weights");
    control_.set([&] { control_.stale = true; });
    while (!hooks.cancelled()) breathe();
    control_.set([&] { control_.stale = false; });
    return absl::CancelledError("stopped");
  });
  while (runs == 0) breathe();
  control_.offer(control_.lease("b"));
  ASSERT_TRUE(control_.wait([&] { return !control_.completed.empty(); }));
  stop();
  EXPECT_THAT(control_.calls, ElementsAre("Register", "Complete"));
  EXPECT_EQ(control_.completed[0].token().job(), "projects/p/jobs/b");
  EXPECT_THAT(metrics_.text(), HasSubstr("{outcome=\"lost\"} 1\n"));
  EXPECT_TRUE(list_files(scratch_.path() + "/jobs")->empty());
}

TEST_F(WorkerFaultsTest, ADamagedUploadIsSentAgain) {
  control_.damaged_uploads = 2;
  control_.offer(control_.lease("a"));
  start([](const JobInput& input, const JobHooks&) { return artifact(input, "weights"); });
  EXPECT_TRUE(control_.wait([&] { return !control_.completed.empty(); }));
}

TEST_F(WorkerFaultsTest, AnUploadThatNeverArrivesWholeFailsTheAttempt) {
  control_.damaged_uploads = 1000;
  control_.offer(control_.lease("a"));
  start([](const JobInput& input, const JobHooks&) { return artifact(input, "weights"); });
  auto told = failure();
  EXPECT_EQ(told.failure().reason(), "UPLOAD_FAILED");
  EXPECT_TRUE(told.retryable());
  EXPECT_TRUE(control_.completed.empty());
}

TEST_F(WorkerFaultsTest, AModelFileThatArrivesDamagedFailsTheAttempt) {
  auto lease = control_.lease("a");
  control_.set([&] { control_.blobs[lease.model_files(0).sha256()] = "something else"; });
  control_.offer(lease);
  start({});
  auto told = failure();
  EXPECT_EQ(told.failure().reason(), "DOWNLOAD_FAILED");
  EXPECT_TRUE(told.retryable());
}

TEST_F(WorkerFaultsTest, AnArtifactThatFailsItsCheckIsNotPublished) {
  verdict_ = absl::InternalError("golden logits differ by 0.3");
  control_.offer(control_.lease("a"));
  start([](const JobInput& input, const JobHooks&) { return artifact(input, "weights"); });
  auto told = failure();
  EXPECT_EQ(told.failure().reason(), "VERIFICATION_FAILED");
  EXPECT_THAT(told.failure().message(), HasSubstr("0.3"));
  EXPECT_TRUE(control_.completed.empty());
}

TEST_F(WorkerFaultsTest, TheJobsOwnFaultIsToldWithPhaseAndStepAndNotTriedAgain) {
  control_.offer(control_.lease("a"));
  start([](const JobInput&, const JobHooks& hooks) -> absl::StatusOr<JobOutput> {
    hooks.progress({.phase = "finetune", .step = 40});
    return absl::InvalidArgumentError("finetune, step 41: unknown label \"maybe\"");
  });
  auto told = failure();
  EXPECT_EQ(told.failure().reason(), "BAD_INPUT");
  EXPECT_EQ(told.failure().phase(), "finetune");
  EXPECT_EQ(told.failure().step(), 40u);
  EXPECT_FALSE(told.retryable());
}

TEST_F(WorkerFaultsTest, AnExceptionFailsTheAttemptAndTheWorkerLives) {
  control_.offer(control_.lease("a"));
  control_.offer(control_.lease("b"));
  start([](const JobInput& input, const JobHooks&) -> absl::StatusOr<JobOutput> {
    if (input.job_name == "projects/p/jobs/a") throw std::runtime_error("a kernel went wrong");
    return artifact(input, "weights");
  });
  ASSERT_TRUE(control_.wait([&] { return !control_.completed.empty(); }));
  EXPECT_EQ(failure().failure().reason(), "INTERNAL");
  EXPECT_TRUE(failure().retryable());
}

TEST_F(WorkerFaultsTest, AFailedAttemptLeavesItsLastCheckpoint) {
  control_.offer(control_.lease("a"));
  start([](const JobInput& input, const JobHooks& hooks) -> absl::StatusOr<JobOutput> {
    EXPECT_TRUE(write_file(input.checkpoint_folder + "/state.json", "step 8").ok());
    EXPECT_TRUE(hooks.checkpoint_written().ok());
    return absl::InternalError("a kernel went wrong");
  });
  failure();
  EXPECT_THAT(control_.calls, ElementsAre("Register", "Checkpoint", "Fail"));
}

}  // namespace
}  // namespace espalier::server::testing_
