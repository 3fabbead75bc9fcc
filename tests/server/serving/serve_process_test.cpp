// The whole server over fake engines, and in managed mode over a control plane in memory.
#include "server/serving/serve_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "core/base/files.h"
#include "server/common/status.h"
#include "tests/server/serving/fake_artifacts.h"
#include "tests/server/serving/infer_testing.h"
#include "tests/testing/fake_engine.h"

namespace espalier::server {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// EndpointService and ArtifactService of a project that the test edits.
class FakeControl : public v1::EndpointService::Service, public v1::ArtifactService::Service {
 public:
  explicit FakeControl(FakeArtifacts& artifacts) : artifacts_(artifacts) {}

  void set(const std::string& endpoint, const std::string& artifact) {
    std::lock_guard lock(mutex_);
    state_.clear_endpoints();
    v1::Endpoint* entry = state_.add_endpoints();
    entry->set_name("projects/default/endpoints/" + endpoint);
    v1::Endpoint::Route* route = entry->add_routes();
    route->set_alias("stable");
    route->set_artifact("projects/default/artifacts/" + artifact);
    route->set_weight(1);
    ++generation_;
    changed_.notify_all();
  }
  void stop() {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
  }

  grpc::Status WatchEndpoints(grpc::ServerContext*, const v1::WatchEndpointsRequest*,
                              grpc::ServerWriter<v1::WatchEndpointsResponse>* writer) override {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      const int sent = generation_;
      if (!writer->Write(state_)) break;
      changed_.wait(lock, [&] { return stopping_ || generation_ != sent; });
    }
    return grpc::Status::OK;
  }
  grpc::Status GetArtifact(grpc::ServerContext*, const v1::GetArtifactRequest* request,
                           v1::GetArtifactResponse* response) override {
    auto artifact = artifacts_.get(request->name());
    if (artifact.ok()) *response->mutable_artifact() = *artifact;
    return to_grpc(artifact.status());
  }
  grpc::Status ReadArtifactFile(grpc::ServerContext*, const v1::ReadArtifactFileRequest* request,
                                v1::ReadArtifactFileResponse* response) override {
    response->set_data(*artifacts_.read(request->name(), request->path(), request->offset()));
    return grpc::Status::OK;
  }

 private:
  FakeArtifacts& artifacts_;
  std::mutex mutex_;
  std::condition_variable changed_;
  v1::WatchEndpointsResponse state_;
  int generation_ = 0;
  bool stopping_ = false;
};

class ServeProcessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    cache = ::testing::TempDir() + "serve_process_" + info->name();
    fs::remove_all(cache);
    for (const char* id : {"one", "two"}) {
      artifacts.add(std::string("projects/default/artifacts/") + id, "config.json", "{}");
    }
    artifacts.add("projects/default/artifacts/bad", "config.json", "broken");
  }
  void TearDown() override {
    process.reset();
    stop_control();
    fs::remove_all(cache);
  }

  void start_control() {
    control = std::make_unique<FakeControl>(artifacts);
    auto started = GrpcServer::start(
        {.listen = "127.0.0.1:0",
         .services = {static_cast<v1::EndpointService::Service*>(control.get()),
                      static_cast<v1::ArtifactService::Service*>(control.get())}});
    ASSERT_TRUE(started.ok()) << started.status();
    control_server = *std::move(started);
    control_address = control_server->address();
  }
  void stop_control() {
    if (control != nullptr) control->stop();
    control_server.reset();
    control.reset();
  }
  ServeFlags flags() {
    ServeFlags flags;
    flags.listen = flags.http = flags.admin = "127.0.0.1:0";
    flags.drain_wait = std::chrono::milliseconds(0);
    return flags;
  }
  ServeFlags managed() {
    ServeFlags result = flags();
    result.control = control_address;
    result.cache = cache;
    return result;
  }
  absl::Status start(const ServeFlags& flags) {
    auto started = ServeProcess::start(
        flags, [](const std::string& folder) -> absl::StatusOr<std::unique_ptr<runtime::Engine>> {
          auto config = read_file(folder + "/config.json");
          if (!config.ok()) return config.status();
          if (*config != "{}") return absl::InvalidArgumentError("config.json is broken");
          return std::make_unique<espalier::testing::FakeEngine>();
        });
    if (!started.ok()) return started.status();
    process = *std::move(started);
    stub = inference::GRPCInferenceService::NewStub(
        grpc::CreateChannel(process->address(), grpc::InsecureChannelCredentials()));
    return absl::OkStatus();
  }
  // Version that answers for "m", or the error.
  std::string served() {
    grpc::ClientContext context;
    inference::ModelInferResponse response;
    const grpc::Status status = stub->ModelInfer(&context, text_request({"a"}), &response);
    return status.ok() ? response.model_version() : status.error_message();
  }
  std::string reason() {
    grpc::ClientContext context;
    inference::RepositoryIndexResponse response;
    stub->RepositoryIndex(&context, {}, &response);
    for (const auto& model : response.models()) {
      if (model.state() == "UNAVAILABLE") return model.version() + ": " + model.reason();
    }
    return "";
  }
  // Waits for what happens on other threads; fails after ten seconds.
  void eventually(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << "never happened";
      std::this_thread::yield();
    }
  }

  std::string cache, control_address;
  FakeArtifacts artifacts;
  std::unique_ptr<FakeControl> control;
  std::unique_ptr<GrpcServer> control_server;
  std::unique_ptr<ServeProcess> process;
  std::unique_ptr<inference::GRPCInferenceService::Stub> stub;
};

TEST_F(ServeProcessTest, ServesAFolder) {
  ASSERT_TRUE(make_folders(cache + "/mine").ok());
  ASSERT_TRUE(write_file(cache + "/mine/config.json", "{}").ok());
  ServeFlags fixed = flags();
  fixed.library.models = {{"m", cache + "/mine/"}};
  ASSERT_TRUE(start(fixed).ok());
  EXPECT_TRUE(process->ready());
  EXPECT_EQ(served(), "mine");
  process->stop();
  EXPECT_FALSE(process->ready());
}

TEST_F(ServeProcessTest, AFolderThatDoesNotLoadIsAnErrorAtStart) {
  ServeFlags fixed = flags();
  fixed.library.models = {{"m", cache + "/nowhere"}};
  EXPECT_THAT(std::string(start(fixed).message()), HasSubstr("model \"m\" does not load"));
}

TEST_F(ServeProcessTest, LoadsAndUnloadsTheModelsOfARepositoryByName) {
  ASSERT_TRUE(make_folders(cache + "/repository/m/1").ok());
  ASSERT_TRUE(write_file(cache + "/repository/m/1/config.json", "{}").ok());
  ServeFlags fixed = flags();
  fixed.library.repository = cache + "/repository";
  ASSERT_TRUE(start(fixed).ok());
  EXPECT_EQ(served(), "1");

  grpc::ClientContext first;
  inference::RepositoryModelUnloadRequest triton;
  triton.set_model_name("m");
  (*triton.mutable_parameters())["unload_dependents"].set_bool_param(false);
  inference::RepositoryModelUnloadResponse unloaded;
  ASSERT_TRUE(stub->RepositoryModelUnload(&first, triton, &unloaded).ok());
  EXPECT_THAT(served(), HasSubstr("is not loaded: unloaded"));
  EXPECT_EQ(reason(), "1: unloaded");

  grpc::ClientContext second;
  inference::RepositoryModelLoadRequest kserve;
  kserve.set_repository_name("m");  // field 1: where KServe's clients have the model's name
  inference::RepositoryModelLoadResponse loaded;
  ASSERT_TRUE(stub->RepositoryModelLoad(&second, kserve, &loaded).ok());
  EXPECT_EQ(loaded.model_name(), "m");
  EXPECT_TRUE(loaded.is_loaded());
  EXPECT_EQ(served(), "1");
}

TEST_F(ServeProcessTest, AnIdleStreamDoesNotHoldUpTheEnd) {
  ServeFlags fixed = flags();
  fixed.library.repository = cache;
  ASSERT_TRUE(make_folders(cache).ok());
  ASSERT_TRUE(start(fixed).ok());
  grpc::ClientContext context;
  const auto stream = stub->ModelStreamInfer(&context);
  inference::ModelStreamInferResponse response;
  ASSERT_TRUE(stream->Write(text_request({"a"})));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_THAT(response.error_message(), HasSubstr("nothing is served"));
  process->stop();  // with a grace of 30 s
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(ServeProcessTest, FollowsTheEndpointsOfItsProject) {
  start_control();
  control->set("m", "one");
  ASSERT_TRUE(start(managed()).ok());
  eventually([&] { return process->ready(); });
  EXPECT_EQ(served(), "one");
  control->set("m", "two");
  eventually([&] { return served() == "two"; });
}

TEST_F(ServeProcessTest, IsNotReadyBeforeItKnowsWhatToServe) {
  control_address = "127.0.0.1:1";  // nobody listens there
  ASSERT_TRUE(start(managed()).ok());
  EXPECT_FALSE(process->ready());
  EXPECT_THAT(served(), HasSubstr("nothing is served"));
}

TEST_F(ServeProcessTest, AnArtifactThatDoesNotLoadLeavesTheOldOneServing) {
  start_control();
  control->set("m", "one");
  ASSERT_TRUE(start(managed()).ok());
  eventually([&] { return process->ready(); });
  control->set("m", "bad");
  eventually([&] { return reason() == "bad: config.json is broken"; });
  EXPECT_EQ(served(), "one");
  EXPECT_THAT(*read_file(cache + "/default/endpoints.json"), HasSubstr("artifacts/one"));
}

TEST_F(ServeProcessTest, BootsFromItsDiskWhileTheControlPlaneIsDown) {
  start_control();
  control->set("m", "one");
  ASSERT_TRUE(start(managed()).ok());
  eventually([&] { return fs::exists(cache + "/default/endpoints.json"); });
  process.reset();
  stop_control();
  ASSERT_TRUE(start(managed()).ok());
  eventually([&] { return process->ready(); });
  EXPECT_EQ(served(), "one");
}

TEST(ServeFlags, AModelIsANameAndAFolder) {
  EXPECT_EQ(parse_model("a=/x=y")->second, "/x=y");
  for (const char* text : {"a", "=x", "a="}) EXPECT_FALSE(parse_model(text).ok()) << text;
}

}  // namespace
}  // namespace espalier::server
