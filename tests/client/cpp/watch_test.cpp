#include <gmock/gmock.h>

#include "client/cpp/connection.h"
#include "tests/client/cpp/fake_server.h"

namespace espalier::client {
namespace {

using ::testing::ElementsAre;

// Sends six events, at most two a stream; the connection then breaks.
class BreakingJobs : public v1::JobService::Service {
 public:
  uint64_t events = 6, a_stream = 2;
  v1::Job::State end = v1::Job::STATE_SUCCEEDED;
  std::vector<uint64_t> asked_after;
  uint64_t sent = 0;

  grpc::Status GetJob(grpc::ServerContext*, const v1::GetJobRequest* request,
                      v1::GetJobResponse* response) override {
    response->mutable_job()->set_name(request->name());
    response->mutable_job()->set_state(sent == events ? end : v1::Job::STATE_RUNNING);
    return grpc::Status::OK;
  }
  grpc::Status WatchJob(grpc::ServerContext*, const v1::WatchJobRequest* request,
                        grpc::ServerWriter<v1::WatchJobResponse>* writer) override {
    asked_after.push_back(request->after_seq());
    for (uint64_t i = 0; i < a_stream && request->after_seq() + i < events; ++i) {
      v1::WatchJobResponse response;
      response.mutable_event()->set_seq(sent = request->after_seq() + i + 1);
      writer->Write(response);
    }
    return sent == events ? grpc::Status::OK
                          : grpc::Status(grpc::StatusCode::UNAVAILABLE, "restarting");
  }
};

TEST(Watch, GoesOnAfterTheLastEventWhenTheConnectionBreaks) {
  BreakingJobs jobs;
  FakeServer server({&jobs});
  std::vector<uint64_t> seen;
  auto job = server.client().watch_job(
      "j", 0, [&](const v1::JobEvent& event) { seen.push_back(event.seq()); });
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_EQ(job->state(), v1::Job::STATE_SUCCEEDED);
  EXPECT_THAT(seen, ElementsAre(1, 2, 3, 4, 5, 6));
  EXPECT_THAT(jobs.asked_after, ElementsAre(0, 2, 4));
}

TEST(Watch, StartsAfterAGivenEvent) {
  BreakingJobs jobs;
  FakeServer server({&jobs});
  std::vector<uint64_t> seen;
  ASSERT_TRUE(
      server.client()
          .watch_job("j", 4, [&](const v1::JobEvent& event) { seen.push_back(event.seq()); })
          .ok());
  EXPECT_THAT(seen, ElementsAre(5, 6));
}

TEST(Watch, GivesUpWhenPatienceEnds) {
  BreakingJobs jobs;
  jobs.a_stream = 0;
  FakeServer server({&jobs});
  auto job = server.client().watch_job("j", 0, [](const v1::JobEvent&) {});
  EXPECT_TRUE(absl::IsUnavailable(job.status()));
  EXPECT_GT(jobs.asked_after.size(), 3u);
}

TEST(Watch, TellsAtOnceThatNobodyIsThere) {
  Client client({.address = "127.0.0.1:1", .sleep = [](absl::Duration) { FAIL() << "waited"; }});
  auto status = client.watch_job("j", 0, [](const v1::JobEvent&) {}).status();
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(std::string(status.message()),
              ::testing::StartsWith("cannot reach espalierd at 127.0.0.1:1: "));
}

}  // namespace
}  // namespace espalier::client
