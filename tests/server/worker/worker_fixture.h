// A worker on a fake control plane, with the test's compress() and verify().
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "core/base/files.h"
#include "core/spec/catalogue.h"
#include "server/worker/worker.h"
#include "tests/server/worker/fake_control.h"

namespace espalier::server::testing_ {

// A folder that is gone after the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "espalier-test-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class WorkerFixture : public testing::Test {
 protected:
  ~WorkerFixture() override { stop(); }

  // Starts a worker (again) on the same scratch folder.
  void start(Compress compress) {
    WorkerOptions options;
    options.control = {.address = control_.address(),
                       .first_retry = std::chrono::milliseconds(1),
                       .last_retry = std::chrono::milliseconds(5)};
    options.scratch = scratch_.path();
    options.labels = {{"zone", "a"}};
    options.checkpoint_seconds = 0;
    options.compute_class = "cpu-test";
    Json no_options = Json::array();
    options.catalogue["methods"] = {{{"kind", "pruner"},
                                     {"name", "magnitude"},
                                     {"summary", "s"},
                                     {"source", "p"},
                                     {"digest", schema_digest(no_options)},
                                     {"options", no_options}}};
    options.compress = std::move(compress);
    options.verify = [this](const std::string& folder, const std::function<bool()>&) {
      verified_.push_back(folder);
      return verdict_;
    };
    auto worker = Worker::make(std::move(options), metrics_);
    ASSERT_TRUE(worker.ok()) << worker.status();
    worker_ = *std::move(worker);
    thread_ = std::thread([this] { result_ = worker_->run(); });
  }
  void stop() {
    if (worker_) worker_->stop();
    join();
    worker_.reset();
  }
  void join() {
    if (thread_.joinable()) thread_.join();
  }

  // One artifact with one file of that content.
  static absl::StatusOr<JobOutput> artifact(const JobInput& input, const std::string& content) {
    std::string folder = input.output_folder + "/0";
    if (auto status = make_folders(folder); !status.ok()) return status;
    if (auto status = write_file(folder + "/model.safetensors", content); !status.ok())
      return status;
    return JobOutput{{{folder, "text-classification", Json{{"parameters", 12}}}}};
  }
  static void breathe() { std::this_thread::sleep_for(std::chrono::milliseconds(1)); }

  TemporaryFolder scratch_;
  FakeControl control_;
  Metrics metrics_{"worker"};
  absl::Status verdict_;
  std::vector<std::string> verified_;
  std::unique_ptr<Worker> worker_;
  absl::Status result_;
  std::thread thread_;
};

}  // namespace espalier::server::testing_
