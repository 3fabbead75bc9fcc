#include "server/serving/model_library.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>
#include <vector>

#include "core/base/files.h"
#include "tests/server/serving/repository_testing.h"
#include "tests/testing/fake_engine.h"

namespace espalier::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Folders of fake artifacts: config.json says whether they load.
class ModelLibraryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    root = ::testing::TempDir() + "model_library_" + info->name();
    std::filesystem::remove_all(root);
    ASSERT_TRUE(make_folders(root).ok());
  }
  void TearDown() override { std::filesystem::remove_all(root); }

  void write(const std::string& folder, const std::string& config = "{}") {
    ASSERT_TRUE(make_folders(root + "/" + folder).ok());
    ASSERT_TRUE(write_file(root + "/" + folder + "/config.json", config).ok());
  }
  // All models of the root, by this policy.
  absl::Status start(const std::string& policy = "latest") {
    LibraryOptions options;
    options.repository = root;
    EXPECT_TRUE(add_version_policy(policy, &options.policies).ok());
    library = std::make_unique<ModelLibrary>(std::move(options), repository);
    return library->load_all();
  }
  absl::StatusOr<std::shared_ptr<Model>> load(const std::string& name, const DesiredRoute& route) {
    loaded.push_back(name + "/" + route.version());
    if (*read_file(route.artifact + "/config.json") == "broken") {
      return absl::DataLossError("weights are torn");
    }
    class Counted : public espalier::testing::FakeEngine {
     public:
      explicit Counted(int& alive) : alive_(alive) { ++alive_; }
      ~Counted() override { --alive_; }

     private:
      int& alive_;
    };
    return Model::make(name, route.version(), std::make_unique<Counted>(engines), {}, executor,
                       metrics, labels);
  }

  std::string root;
  std::vector<std::string> loaded;
  int engines = 0;  // in memory
  Metrics metrics{"serve"};
  ModelLabels labels;
  runtime::Executor executor;
  ModelRepository repository{
      [this](const std::string& name, const DesiredRoute& route) { return load(name, route); }};
  std::unique_ptr<ModelLibrary> library;
};

TEST_F(ModelLibraryTest, ServesTheNewestVersionOfEveryModel) {
  write("m/9");
  write("m/10");
  write("flat");
  ASSERT_TRUE(make_folders(root + "/notes/.git").ok());
  ASSERT_TRUE(start().ok());
  EXPECT_THAT(index_of(repository), ElementsAre("flat@flat READY", "m@10 READY"));
  EXPECT_THAT(version_of(repository, "m", "9"),
              HasSubstr("NOT_FOUND: model \"m\" has no version \"9\"; served: 10"));
}

TEST_F(ModelLibraryTest, WhoNamesNoVersionGetsTheNewestOfSeveral) {
  for (const char* version : {"m/1", "m/2", "m/3"}) write(version);
  ASSERT_TRUE(start("latest:2").ok());
  for (int i = 0; i < 5; ++i) EXPECT_EQ(version_of(repository, "m"), "3");
  EXPECT_EQ(version_of(repository, "m", "2"), "2");
  EXPECT_THAT(version_of(repository, "m", "1"), HasSubstr("served: 3, 2"));
}

TEST_F(ModelLibraryTest, AModelThatDoesNotLoadIsAnErrorAtStart) {
  write("m/1", "broken");
  EXPECT_EQ(std::string(start().message()),
            "model \"m\" does not load: version 1: weights are torn");
}

TEST_F(ModelLibraryTest, LoadingTakesANewVersionAndLetsTheOldOneGo) {
  write("m/1");
  ASSERT_TRUE(start().ok());
  write("m/2");
  EXPECT_EQ(version_of(repository, "m"), "1");
  ASSERT_TRUE(library->load("m").ok());
  EXPECT_THAT(index_of(repository), ElementsAre("m@2 READY"));
  EXPECT_EQ(engines, 1);
}

TEST_F(ModelLibraryTest, LoadingReadsAgainOnlyWhatChanged) {
  write("m/1");
  ASSERT_TRUE(start().ok());
  ASSERT_TRUE(library->load("m").ok());
  EXPECT_THAT(loaded, ElementsAre("m/1"));
  write("m/1", "{ }");
  ASSERT_TRUE(library->load("m").ok());
  EXPECT_THAT(loaded, ElementsAre("m/1", "m/1"));
}

TEST_F(ModelLibraryTest, AVersionThatDoesNotLoadLeavesWhatWasThere) {
  write("m/1");
  ASSERT_TRUE(start().ok());
  write("m/2", "broken");
  const absl::Status status = library->load("m");
  EXPECT_EQ(status,
            absl::DataLossError("model \"m\" version \"2\" does not load: weights are torn"));
  EXPECT_EQ(version_of(repository, "m"), "1");
  EXPECT_THAT(index_of(repository), ElementsAre("m@1 READY", "m@2 UNAVAILABLE: weights are torn"));
}

TEST_F(ModelLibraryTest, OtherContentOfAVersionThatDoesNotLoadIsTheReasonBesideIt) {
  write("m/1");
  ASSERT_TRUE(start().ok());
  write("m/1", "broken");
  EXPECT_FALSE(library->load("m").ok());
  EXPECT_THAT(index_of(repository), ElementsAre("m@1 READY: weights are torn"));
}

TEST_F(ModelLibraryTest, UnloadingFreesTheEnginesAndKeepsTheName) {
  write("m/1");
  write("m/2");
  ASSERT_TRUE(start("all").ok());
  EXPECT_EQ(engines, 2);
  ASSERT_TRUE(library->unload("m").ok());
  EXPECT_EQ(engines, 0);
  EXPECT_THAT(index_of(repository),
              ElementsAre("m@1 UNAVAILABLE: unloaded", "m@2 UNAVAILABLE: unloaded"));
  EXPECT_THAT(version_of(repository, "m"),
              HasSubstr("UNAVAILABLE: model \"m\" version \"1\" is not loaded"));
  ASSERT_TRUE(library->unload("m").ok());
  ASSERT_TRUE(library->load("m").ok());
  EXPECT_EQ(version_of(repository, "m"), "2");
}

TEST_F(ModelLibraryTest, AModelThatCameLaterIsLoadedByName) {
  ASSERT_TRUE(start().ok());
  EXPECT_THAT(index_of(repository), IsEmpty());
  write("late/1");
  ASSERT_TRUE(library->load("late").ok());
  EXPECT_EQ(version_of(repository, "late"), "1");
}

TEST_F(ModelLibraryTest, LoadsAtOnceReadWhatChangedOnce) {
  write("m/1");
  ASSERT_TRUE(start().ok());
  write("m/2");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { EXPECT_TRUE(library->load("m").ok()); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(loaded, ElementsAre("m/1", "m/2"));
}

TEST_F(ModelLibraryTest, NothingChangesOnceItIsClosed) {
  write("m/1");
  ASSERT_TRUE(start().ok());
  library->close();
  write("m/2");
  EXPECT_TRUE(absl::IsUnavailable(library->load("m")));
  EXPECT_TRUE(absl::IsUnavailable(library->unload("m")));
  EXPECT_THAT(index_of(repository), ElementsAre("m@1 READY"));
}

TEST_F(ModelLibraryTest, AnUnknownNameIsNotFoundAndNoNameLeadsOutOfTheRepository) {
  write("m/1");
  ASSERT_TRUE(start().ok());
  for (const std::string& name : std::vector<std::string>{"n", "../" + root, ".", "m/1", ""}) {
    const absl::Status status = library->load(name);
    EXPECT_TRUE(absl::IsNotFound(status)) << name << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("there are: m"));
  }
  EXPECT_TRUE(absl::IsNotFound(library->unload("n")));
}

}  // namespace
}  // namespace espalier::server
