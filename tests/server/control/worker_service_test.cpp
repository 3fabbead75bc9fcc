#include <thread>

#include "tests/server/control/service_fixture.h"

namespace espalier::server {
namespace {

using namespace espalier::worker::v1;  // NOLINT: messages only
using testing::ElementsAre;

class Workers : public ServiceTest {
 protected:
  Lease leased() {
    add_material();
    submit(job_request("a")).value();
    return lease(able_worker()).value();
  }
  absl::Status write(const LeaseToken& token, const std::string& bytes) {
    WriteBlobRequest request;
    *request.mutable_token() = token;
    request.set_sha256(sha256_hex(bytes));
    request.set_size(bytes.size());
    request.set_data(bytes);
    request.set_crc32c(crc32c(bytes));
    WriteBlobResponse response;
    return ESPALIER_CALL(workers, WriteBlob, request, response);
  }
  absl::StatusOr<std::string> read(const LeaseToken& token, const std::string& sha256) {
    ReadBlobRequest request;
    *request.mutable_token() = token;
    request.set_sha256(sha256);
    ReadBlobResponse response;
    const absl::Status status = ESPALIER_CALL(workers, ReadBlob, request, response);
    if (!status.ok()) return status;
    return response.data();
  }
};

TEST_F(Workers, ALeaseCarriesEverythingAJobNeeds) {
  const Lease lease = leased();
  EXPECT_EQ(lease.token().job(), "projects/default/jobs/a");
  EXPECT_TRUE(lease.job().has_resolved_recipe());
  ASSERT_EQ(lease.model_files_size(), 1);
  EXPECT_THAT(lease.dataset().label_names(), ElementsAre("neg", "pos"));
  EXPECT_EQ(lease.lease_seconds(), 30);
  EXPECT_EQ(*read(lease.token(), lease.model_files(0).sha256()), "{}");
  EXPECT_EQ(read(lease.token(), sha256_hex("secret")).status().code(),
            absl::StatusCode::kPermissionDenied);
}

TEST_F(Workers, AnIncapableWorkerAndAnotherProtocolGetNothing) {
  add_material();
  submit(job_request("a")).value();
  EXPECT_FALSE(lease(worker("poor"))->has_token());
  auto future = able_worker();
  future.set_protocol_version(9);
  EXPECT_EQ(reason(lease(future).status()), "PROTOCOL_VERSION");
}

TEST_F(Workers, ALeaseCarriesTheTeachersAndTheirFiles) {
  add_material();
  ASSERT_EQ(add_model("large", {{"config.json", "{ }"}}).state(), espalier::v1::Model::STATE_READY);
  auto request = job_request("a");
  for (const char* name : {"projects/default/models/large", "dense"})
    request.mutable_job()->add_teachers(name);
  submit(request).value();
  auto old = able_worker();
  old.set_protocol_version(1);
  EXPECT_FALSE(lease(old)->has_token()) << "would not know what teaches";
  const Lease lease = this->lease(able_worker()).value();
  ASSERT_EQ(lease.teachers_size(), 1);
  EXPECT_EQ(lease.teachers(0).model(), "projects/default/models/large");
  ASSERT_EQ(lease.teachers(0).files_size(), 1);
  EXPECT_EQ(*read(lease.token(), lease.teachers(0).files(0).sha256()), "{ }");
  EXPECT_EQ(lease.job().teachers_size(), 2);
}

TEST_F(Workers, WhatAnOldWorkerWouldRefuseWaitsForANewOne) {
  add_material();
  auto request = job_request("a");
  request.mutable_job()->mutable_recipe()->mutable_target()->add_milestones(0.5);
  submit(request).value();
  auto old = able_worker();
  old.set_protocol_version(1);
  EXPECT_FALSE(lease(old)->has_token());
  EXPECT_TRUE(lease(able_worker())->has_token());
}

TEST_F(Workers, TeachersAreCheckedAtSubmission) {
  add_material();
  auto request = job_request("a");
  request.mutable_job()->add_teachers("projects/default/models/nobody");
  EXPECT_EQ(reason(submit(request).status()), "NOT_FOUND");
  request.mutable_job()->set_teachers(0, "projects/other/models/m");
  EXPECT_EQ(reason(submit(request).status()), "OTHER_PROJECT");
  request.mutable_job()->set_teachers(0, "dense");
  request.mutable_job()->mutable_recipe()->add_distillers()->set_name("none");
  EXPECT_EQ(reason(submit(request).status()), "NO_DISTILLER");
  request.mutable_job()->mutable_recipe()->clear_distillers();
  request.mutable_job()->add_teachers("dense");
  EXPECT_EQ(reason(submit(request).status()), "TWICE");
  for (int i = 0; i < 8; ++i) request.mutable_job()->add_teachers("dense");
  EXPECT_EQ(reason(submit(request).status()), "TOO_MANY");
}

TEST_F(Workers, WhatAWorkerSaysOfItselfIsBounded) {
  const auto refused = [&](const WorkerInfo& info) { return reason(lease(info).status()); };
  EXPECT_EQ(refused(worker("a\nb")), "BAD_WORKER");
  EXPECT_EQ(refused(worker("a\x7f")), "BAD_WORKER");
  auto labels = worker("w"), methods = worker("w"), compute_class = worker("w");
  for (int i = 0; i < 65; ++i) (*labels.mutable_labels())[std::to_string(i)] = "x";
  for (int i = 0; i < 1001; ++i) (*methods.mutable_methods())[std::to_string(i)] = "x";
  compute_class.set_compute_class(std::string(513, 'x'));
  for (const auto& info : {labels, methods, compute_class}) EXPECT_EQ(refused(info), "BAD_WORKER");
  EXPECT_TRUE(lease(worker("w")).ok());
}

TEST_F(Workers, ALongPollIsAnsweredWhenAJobComes) {
  add_material();
  std::string job;
  std::thread waiting([&] { job = lease(able_worker(), 20)->token().job(); });
  submit(job_request("a")).value();
  waiting.join();
  EXPECT_EQ(job, "projects/default/jobs/a");
}

TEST_F(Workers, ACompletedJobHasPublishedItsArtifact) {
  const Lease lease = leased();
  CompleteJobRequest request;
  *request.mutable_token() = lease.token();
  auto& artifact = *request.add_artifacts();
  artifact.set_task("text-classification");
  announce({{"model.safetensors", "weights"}, {"report.json", R"({"seed": 1})"}},
           *artifact.mutable_files());
  CompleteJobResponse response;
  EXPECT_EQ(reason(ESPALIER_CALL(workers, CompleteJob, request, response)), "MISSING_BLOB");
  ASSERT_TRUE(write(lease.token(), "weights").ok());
  ASSERT_TRUE(write(lease.token(), R"({"seed": 1})").ok());
  ASSERT_TRUE(ESPALIER_CALL(workers, CompleteJob, request, response).ok());
  CompleteJobResponse again;
  ASSERT_TRUE(ESPALIER_CALL(workers, CompleteJob, request, again).ok());
  EXPECT_THAT(again.artifacts(), ElementsAre("projects/default/artifacts/a"));
  EXPECT_EQ(state("a"), "SUCCEEDED");

  espalier::v1::GetArtifactRequest get;
  get.set_name("projects/default/artifacts/a");
  espalier::v1::GetArtifactResponse got;
  ASSERT_TRUE(ESPALIER_CALL(artifacts, GetArtifact, get, got).ok());
  EXPECT_EQ(got.artifact().weights_sha256(), sha256_hex("weights"));
  EXPECT_EQ(got.artifact().manifest_sha256(),
            sha256_hex(sha256_hex("weights") + "  model.safetensors\n" +
                       sha256_hex(R"({"seed": 1})") + "  report.json\n"));
  espalier::v1::GetReportRequest report;
  report.set_name(get.name());
  espalier::v1::GetReportResponse reported;
  ASSERT_TRUE(ESPALIER_CALL(artifacts, GetReport, report, reported).ok());
  EXPECT_EQ(reported.report().fields().at("seed").number_value(), 1);
}

TEST_F(Workers, AStaleFenceIsAbortedAndCounted) {
  Lease lease = leased();
  lease.mutable_token()->set_fence(lease.token().fence() + 1);
  HeartbeatRequest request;
  *request.mutable_token() = lease.token();
  HeartbeatResponse response;
  const absl::Status status = ESPALIER_CALL(workers, Heartbeat, request, response);
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(reason(status), "STALE_FENCE");
}

TEST_F(Workers, ACancellationReachesTheWorkerAndEndsTheJob) {
  const Lease lease = leased();
  espalier::v1::CancelJobRequest cancel;
  cancel.set_name(lease.token().job());
  espalier::v1::CancelJobResponse cancelled;
  ASSERT_TRUE(ESPALIER_CALL(jobs, CancelJob, cancel, cancelled).ok());
  ReportProgressRequest progress;
  *progress.mutable_token() = lease.token();
  ReportProgressResponse answer;
  ASSERT_TRUE(ESPALIER_CALL(workers, ReportProgress, progress, answer).ok());
  EXPECT_TRUE(answer.cancel_requested());
  FailJobRequest fail;
  *fail.mutable_token() = lease.token();
  fail.mutable_failure()->set_reason("CANCELLED");
  FailJobResponse failed;
  ASSERT_TRUE(ESPALIER_CALL(workers, FailJob, fail, failed).ok());
  EXPECT_EQ(state("a"), "CANCELLED");
}

TEST_F(Workers, WhatAWorkerSaysOfItsJobIsBounded) {
  const Lease lease = leased();
  ReportProgressRequest progress;
  *progress.mutable_token() = lease.token();
  progress.mutable_progress()->set_message(std::string(100'000, 'x'));
  progress.set_event_kind("progress");
  progress.set_message(std::string(100'000, 'x'));
  ReportProgressResponse answer;
  ASSERT_TRUE(ESPALIER_CALL(workers, ReportProgress, progress, answer).ok());
  EXPECT_LE(job("a").progress().message().size(), 4096u);
  for (int i = 0; i < 257; ++i)
    (*progress.mutable_progress()->mutable_metrics())[std::to_string(i)];
  EXPECT_EQ(reason(ESPALIER_CALL(workers, ReportProgress, progress, answer)), "BAD_PROGRESS");

  FailJobRequest fail;
  *fail.mutable_token() = lease.token();
  fail.mutable_failure()->set_reason("BAD_DATA");
  fail.mutable_failure()->set_message(std::string(100'000, 'x'));
  FailJobResponse failed;
  ASSERT_TRUE(ESPALIER_CALL(workers, FailJob, fail, failed).ok());
  EXPECT_LE(job("a").failure().message().size(), 4096u);
  EXPECT_TRUE(job("a").failure().message().ends_with(" bytes left out)"));
}

}  // namespace
}  // namespace espalier::server
