// What a worker does when nothing goes wrong, and when somebody wants it to stop.
#include "server/worker/worker.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include "tests/server/worker/worker_fixture.h"

namespace espalier::server::testing_ {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class WorkerTest : public WorkerFixture {};

TEST_F(WorkerTest, AJobGoesFromItsFilesToAPublishedArtifact) {
  auto lease = control_.lease("a");
  auto& dataset = *lease.mutable_dataset();
  *dataset.add_files() = control_.put("data/train.tsv", "text\tlabel\nfine\t1\n");
  auto& split = *dataset.add_splits();
  split.set_name("train");
  split.set_path("data/train.tsv");
  dataset.set_format(espalier::v1::Dataset::FORMAT_TSV);
  dataset.set_task("text-classification");
  control_.offer(lease);

  start([](const JobInput& input, const JobHooks& hooks) {
    EXPECT_EQ(input.job_name, "projects/p/jobs/a");
    EXPECT_TRUE(input.cache_folder.ends_with("/examples")) << input.cache_folder;
    EXPECT_EQ(*read_file(input.model_folder + "/config.json"), "{\"model_type\": \"bert\"}");
    EXPECT_EQ(input.recipe["seed"], 7);
    EXPECT_EQ(input.dataset->splits.at("train"), "data/train.tsv");
    EXPECT_EQ(*read_file(input.dataset->folder + "/data/train.tsv"), "text\tlabel\nfine\t1\n");
    EXPECT_FALSE(hooks.cancelled());
    EXPECT_FALSE(hooks.preempted());
    hooks.log("a line");
    hooks.progress(
        {.phase = "finetune", .phase_index = 1, .phases = 2, .steps = 5, .phase_change = true});
    hooks.progress({.phase = "finetune", .step = 5, .steps = 5, .metrics = {{"examples", 160}}});
    hooks.progress({.phase = "prune", .phase_index = 2, .phases = 2, .phase_change = true});
    return artifact(input, "weights");
  });
  ASSERT_TRUE(control_.wait([&] { return !control_.completed.empty(); }));
  stop();
  EXPECT_TRUE(result_.ok()) << result_;

  ASSERT_EQ(control_.completed[0].artifacts_size(), 1);
  const auto& published = control_.completed[0].artifacts(0);
  ASSERT_EQ(published.files_size(), 1);
  EXPECT_EQ(published.files(0).path(), "model.safetensors");
  EXPECT_EQ(control_.blobs.at(published.files(0).sha256()), "weights");
  EXPECT_EQ(published.task(), "text-classification");
  EXPECT_EQ(published.summary().fields().at("parameters").number_value(), 12);
  EXPECT_EQ(verified_.size(), 1u);
  EXPECT_TRUE(control_.failed.empty());

  std::vector<std::string> phases;
  for (const auto& report : control_.progress) {
    if (report.event_kind() == "phase") phases.push_back(report.progress().phase());
  }
  EXPECT_THAT(phases, ElementsAre("finetune", "prune"));
  EXPECT_THAT(metrics_.text(), HasSubstr("espalier_worker_jobs_total{outcome=\"succeeded\"} 1\n"));
  EXPECT_THAT(metrics_.text(), HasSubstr("espalier_training_steps_total{phase=\"finetune\"} 5\n"));
  EXPECT_THAT(metrics_.text(),
              HasSubstr("espalier_training_examples_total{phase=\"finetune\"} 160\n"));
  EXPECT_THAT(metrics_.text(), HasSubstr("espalier_worker_busy 0\n"));
  EXPECT_TRUE(list_files(scratch_.path() + "/jobs")->empty());
}

TEST_F(WorkerTest, ItSaysWhatItIsAndCan) {
  start({});
  ASSERT_TRUE(control_.wait([&] { return !control_.workers.empty(); }));
  const auto& info = control_.workers[0];
  EXPECT_EQ(info.protocol_version(), 2u);
  EXPECT_EQ(info.compute_class(), "cpu-test");
  EXPECT_EQ(info.methods().at("pruner/magnitude"), schema_digest(Json::array()));
  EXPECT_EQ(info.labels().at("zone"), "a");
  EXPECT_GT(info.memory_bytes(), 0u);
}

TEST_F(WorkerTest, ItIsReadyOnceRegisteredAndNotWhenStopping) {
  control_.stop();
  start({});
  EXPECT_FALSE(worker_->readiness().ready);
  control_.start();
  ASSERT_TRUE(control_.wait([&] { return !control_.workers.empty(); }));
  while (!worker_->readiness().ready) breathe();
  worker_->stop();
  EXPECT_EQ(worker_->readiness().reason, "stopping");
}

// What is logged.
class Heard : public spdlog::sinks::base_sink<std::mutex> {
 public:
  std::string text;
  std::atomic<bool> nobody_answers{false};

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    text.append(message.payload.data(), message.payload.size()).append("\n");
    if (text.find("does not answer") != std::string::npos) nobody_answers = true;
  }
  void flush_() override {}
};

TEST_F(WorkerTest, ItSaysOnceWithWhomItRegistersAndThatNobodyAnswers) {
  const auto usual = spdlog::default_logger();
  const auto heard = std::make_shared<Heard>();
  spdlog::set_default_logger(std::make_shared<spdlog::logger>("heard", heard));
  control_.stop();
  start({});
  while (!heard->nobody_answers) breathe();
  stop();
  spdlog::set_default_logger(usual);
  const std::string& text = heard->text;
  EXPECT_THAT(text, HasSubstr("registering with espalierd at " + control_.address() + "\n"));
  EXPECT_EQ(text.find("does not answer"), text.rfind("does not answer"));
}

TEST_F(WorkerTest, ARefusedProtocolEndsTheWorkerWithTheReason) {
  control_.refuse_protocol = 2;
  start({});
  join();
  EXPECT_TRUE(absl::IsFailedPrecondition(result_));
  EXPECT_THAT(std::string(result_.message()), HasSubstr("7 and 8 are spoken"));
}

TEST_F(WorkerTest, AnIdleWorkerStopsAtOnce) {
  start({});
  ASSERT_TRUE(control_.wait([&] { return !control_.workers.empty(); }));
  stop();  // in the middle of a long poll of 20 seconds
  EXPECT_TRUE(result_.ok());
}

TEST_F(WorkerTest, ACancelledJobStopsAndSaysSo) {
  control_.offer(control_.lease("a"));
  start([this](const JobInput&, const JobHooks& hooks) -> absl::StatusOr<JobOutput> {
    hooks.progress({.phase = "prune", .step = 3, .phase_change = true});
    control_.set([&] { control_.cancel = true; });
    while (!hooks.cancelled()) breathe();
    return absl::CancelledError("at step 4");
  });
  ASSERT_TRUE(control_.wait([&] { return !control_.failed.empty(); }));
  EXPECT_EQ(control_.failed[0].failure().reason(), "CANCELLED");
  EXPECT_EQ(control_.failed[0].failure().phase(), "prune");
  EXPECT_FALSE(control_.failed[0].retryable());
}

TEST_F(WorkerTest, AJobThatIsCancelledWhileItPublishesIsNotPublished) {
  control_.offer(control_.lease("a"));
  start([this](const JobInput& input, const JobHooks& hooks) -> absl::StatusOr<JobOutput> {
    control_.set([&] { control_.cancel = true; });
    while (!hooks.cancelled()) breathe();
    return artifact(input, "weights");
  });
  ASSERT_TRUE(control_.wait([&] { return !control_.failed.empty(); }));
  EXPECT_EQ(control_.failed[0].failure().reason(), "CANCELLED");
  EXPECT_TRUE(control_.completed.empty());
}

TEST_F(WorkerTest, AStopCheckpointsUploadsAndGivesTheJobBack) {
  control_.offer(control_.lease("a"));
  start([this](const JobInput& input, const JobHooks& hooks) -> absl::StatusOr<JobOutput> {
    worker_->stop();
    while (!hooks.preempted()) breathe();
    EXPECT_TRUE(write_file(input.checkpoint_folder + "/state.json", "step 8").ok());
    EXPECT_TRUE(hooks.checkpoint_written().ok());
    return absl::AbortedError("preempted at step 8");
  });
  join();
  EXPECT_TRUE(result_.ok());
  EXPECT_THAT(control_.calls, ElementsAre("Register", "Checkpoint", "Release"));
  ASSERT_EQ(control_.checkpoints.size(), 1u);
  EXPECT_EQ(control_.checkpoints[0].compute_class(), "cpu-test");
  ASSERT_EQ(control_.checkpoints[0].files_size(), 1);
  EXPECT_EQ(control_.blobs.at(control_.checkpoints[0].files(0).sha256()), "step 8");
  EXPECT_THAT(metrics_.text(), HasSubstr("espalier_worker_checkpoint_bytes_sum 6\n"));
  EXPECT_THAT(metrics_.text(), HasSubstr("{outcome=\"released\"} 1\n"));
}

TEST_F(WorkerTest, CheckpointsTravelWhileTrainingGoesOnAndTheirFilesMayBeReplaced) {
  control_.offer(control_.lease("a"));
  start([this](const JobInput& input, const JobHooks& hooks) -> absl::StatusOr<JobOutput> {
    for (const char* state : {"step 1", "step 2"}) {
      EXPECT_TRUE(write_file(input.checkpoint_folder + "/state.json", state).ok());
      size_t before = control_.checkpoints.size();
      EXPECT_TRUE(hooks.checkpoint_written().ok());
      EXPECT_TRUE(write_file(input.checkpoint_folder + "/state.json", "half-way to the next").ok());
      EXPECT_TRUE(control_.wait([&] { return control_.checkpoints.size() > before; }));
    }
    return artifact(input, "weights");
  });
  ASSERT_TRUE(control_.wait([&] { return !control_.completed.empty(); }));
  ASSERT_EQ(control_.checkpoints.size(), 2u);
  EXPECT_EQ(control_.blobs.at(control_.checkpoints[0].files(0).sha256()), "step 1");
  EXPECT_EQ(control_.blobs.at(control_.checkpoints[1].files(0).sha256()), "step 2");
  stop();
  // The cache keeps the newest one only: a job writes many of them.
  std::string cached = scratch_.path() + "/blobs/";
  EXPECT_FALSE(std::filesystem::exists(cached + control_.checkpoints[0].files(0).sha256()));
  EXPECT_TRUE(std::filesystem::exists(cached + control_.checkpoints[1].files(0).sha256()));
}

TEST_F(WorkerTest, AJobGoesOnFromItsCheckpoint) {
  auto lease = control_.lease("a", 2);
  *lease.add_checkpoint_files() = control_.put("trainer/state.json", "step 8");
  control_.offer(lease);
  start([](const JobInput& input, const JobHooks&) {
    EXPECT_EQ(*read_file(input.checkpoint_folder + "/trainer/state.json"), "step 8");
    return artifact(input, "weights");
  });
  EXPECT_TRUE(control_.wait([&] { return !control_.completed.empty(); }));
}

TEST_F(WorkerTest, AWorkerThatIsStartedAgainKeepsItsNameAndDownloadsNothingTwice) {
  auto run = [](const JobInput& input, const JobHooks&) { return artifact(input, "weights"); };
  control_.offer(control_.lease("a"));
  start(run);
  ASSERT_TRUE(control_.wait([&] { return control_.completed.size() == 1; }));
  stop();
  int reads = control_.reads;
  EXPECT_GT(reads, 0);
  control_.offer(control_.lease("b"));
  start(run);
  ASSERT_TRUE(control_.wait([&] { return control_.completed.size() == 2; }));
  stop();
  EXPECT_EQ(control_.reads, reads);
  ASSERT_EQ(control_.workers.size(), 2u);
  EXPECT_EQ(control_.workers[0].id(), control_.workers[1].id());
}

}  // namespace
}  // namespace espalier::server::testing_
