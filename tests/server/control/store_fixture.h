// A small language for tests of the store: jobs, workers and a clock that is moved by hand.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/common/status.h"
#include "server/control/clock.h"
#include "server/control/sqlite/sqlite_job_store.h"

namespace espalier::server {

class ManualClock : public Clock {
 public:
  int64_t steady_ms() const override { return steady_; }
  int64_t wall_ms() const override { return 1'700'000'000'000 + steady_; }
  void advance(int64_t ms) { steady_ += ms; }

 private:
  std::atomic<int64_t> steady_{1'000'000};
};

// A folder that goes away with the test.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "espalier-control-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~ScratchFolder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline espalier::worker::v1::WorkerInfo worker(const std::string& id) {
  espalier::worker::v1::WorkerInfo info;
  info.set_id(id);
  info.set_protocol_version(2);
  info.set_checkpoint_format(1);
  return info;
}

inline std::string reason(const absl::Status& status) { return reason_of(status); }

class StoreTest : public testing::Test {
 protected:
  using Job = espalier::v1::Job;

  StoreTest() { open(); }

  void open() {
    store.reset();
    auto opened = SqliteJobStore::open({folder.path() + "/espalier.db", rules, false}, clock);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store = *std::move(opened);
    ASSERT_TRUE(store->begin_epoch().ok());
  }
  // READY, with no files.
  void add_model(const std::string& id, const std::string& project = "default") {
    const auto model = store->create_resource({ResourceKind::kModel, {project, id}}, {});
    ASSERT_TRUE(model.ok()) << model.status();
    ASSERT_TRUE(store->settle_resource(*model, ResourceState::kReady, "").ok());
  }
  Job new_job(const std::string& id) {
    Job job;
    job.set_name("projects/default/jobs/" + id);
    job.set_model("projects/default/models/m");
    job.set_artifact_id(id);
    return job;
  }
  absl::StatusOr<Job> submit(const Job& job, const Request& request = {}) {
    return store->create_job(job, request, false);
  }
  absl::StatusOr<Job> submit(const std::string& id) { return submit(new_job(id)); }
  // The job that this worker gets; "" when none.
  LeaseHold lease(const std::string& worker_id) {
    auto claim = store->claim(worker(worker_id));
    EXPECT_TRUE(claim.ok()) << claim.status();
    if (!claim.ok() || !claim->has_value()) return {};
    auto key = parse_name((*claim)->job.name(), "jobs");
    return {*key, (*claim)->fence, worker_id};
  }
  Job job(const std::string& id) { return store->job({"default", id}).value_or(Job()); }
  std::string state(const std::string& id) { return state_name(job(id).state()); }
  std::vector<std::string> event_kinds(const std::string& id) {
    std::vector<std::string> kinds;
    const auto events = store->events({"default", id}, 0, 1000).value();
    for (const auto& event : events) kinds.push_back(event.kind());
    return kinds;
  }
  absl::Status fail(const LeaseHold& hold, const std::string& why, bool retryable) {
    espalier::v1::Failure failure;
    failure.set_reason(why);
    return store->fail_job(hold, failure, retryable).status();
  }

  ScratchFolder folder;
  ManualClock clock;
  LeaseRules rules;
  std::unique_ptr<SqliteJobStore> store;
};

}  // namespace espalier::server
