#include "server/serving/model_repository.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "tests/server/serving/repository_testing.h"
#include "tests/testing/fake_engine.h"

namespace espalier::server {
namespace {

using espalier::testing::FakeEngine;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A repository over fake engines; artifacts named in `broken` do not load.
class ModelRepositoryTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::shared_ptr<Model>> load(const std::string& name, const DesiredRoute& route) {
    loaded.push_back(route.artifact);
    if (const auto place = broken.find(route.artifact); place != broken.end()) {
      return place->second;
    }
    if (while_loading) while_loading();
    return Model::make(name, route.version(), std::make_unique<FakeEngine>(), {}, executor, metrics,
                       labels);
  }

  Metrics metrics{"serve"};
  ModelLabels labels;
  runtime::Executor executor;
  std::map<std::string, absl::Status> broken;
  std::vector<std::string> loaded;
  std::function<void()> while_loading;
  ModelRepository repository{
      [this](const std::string& name, const DesiredRoute& route) { return load(name, route); }};
};

TEST_F(ModelRepositoryTest, AnIdThatCameAgainIsLoadedAgain) {
  const DesiredRoute first{"stable", "projects/p/artifacts/one", 1, "aaaa"};
  DesiredRoute second = first;
  second.manifest = "bbbb";
  EXPECT_EQ(repository.apply({{"a", {first}}}), 0);
  EXPECT_EQ(repository.apply({{"a", {first}}}), 0);
  EXPECT_EQ(loaded.size(), 1u);
  EXPECT_EQ(repository.apply({{"a", {second}}}), 0);
  EXPECT_EQ(loaded.size(), 2u);
}

TEST_F(ModelRepositoryTest, AnAbsentVersionIsUnavailableByItsAliasToo) {
  broken["projects/p/artifacts/one"] = absl::DataLossError("torn");
  EXPECT_EQ(repository.apply({{"a", {{"stable", "projects/p/artifacts/one"}}}}), 1);
  for (const char* version : {"", "one", "stable"}) {
    EXPECT_EQ(repository.find("a", version).status().code(), absl::StatusCode::kUnavailable);
  }
}

TEST_F(ModelRepositoryTest, ServesWhatIsDesired) {
  EXPECT_EQ(repository.apply({{"a", {{"stable", "projects/p/artifacts/one"}}}}), 0);
  EXPECT_EQ(version_of(repository, "a"), "one");
  EXPECT_THAT(index_of(repository), ElementsAre("a@one READY"));
}

TEST_F(ModelRepositoryTest, AVersionIsAnAliasOrAnArtifact) {
  repository.apply({{"a", {{"stable", "x/one"}, {"canary", "x/two"}}}});
  EXPECT_EQ(version_of(repository, "a", "canary"), "two");
  EXPECT_EQ(version_of(repository, "a", "one"), "one");
  EXPECT_THAT(version_of(repository, "a", "three"), HasSubstr("stable = one, canary = two"));
}

TEST_F(ModelRepositoryTest, AnUnknownModelIsNotFoundAndTheKnownAreNamed) {
  repository.apply({{"a", {{"", "x/one"}}}, {"b", {{"", "x/one"}}}});
  EXPECT_THAT(version_of(repository, "c"),
              HasSubstr("NOT_FOUND: model \"c\" is unknown; served: a, b"));
}

TEST_F(ModelRepositoryTest, BeforeItKnowsAllNoNameIsUnknown) {
  EXPECT_THAT(version_of(repository, "b"), HasSubstr("UNAVAILABLE: model \"b\" is not there yet"));
  while_loading = [&] { EXPECT_THAT(version_of(repository, "b"), HasSubstr("UNAVAILABLE")); };
  repository.apply({{"a", {{"", "x/one"}}}});
  EXPECT_THAT(version_of(repository, "b"), HasSubstr("NOT_FOUND"));
}

TEST_F(ModelRepositoryTest, WeightsDivideTheRequests) {
  repository.apply({{"a", {{"stable", "x/one", 3}, {"canary", "x/two", 1}}}});
  std::map<std::string, int> counts;
  for (int i = 0; i < 400; ++i) ++counts[version_of(repository, "a")];
  EXPECT_NEAR(counts["one"], 300, 5);
  EXPECT_NEAR(counts["two"], 100, 5);
}

TEST_F(ModelRepositoryTest, ARouteOfWeightZeroIsServedOnlyByName) {
  repository.apply({{"a", {{"stable", "x/one", 1}, {"canary", "x/two", 0}}}});
  for (int i = 0; i < 20; ++i) EXPECT_EQ(version_of(repository, "a"), "one");
  EXPECT_EQ(version_of(repository, "a", "canary"), "two");
}

TEST_F(ModelRepositoryTest, AChangedAliasSwapsAndDrainsTheOldModel) {
  repository.apply({{"a", {{"stable", "x/one"}}}});
  const std::shared_ptr<Model> old = *repository.find("a", "");
  repository.apply({{"a", {{"stable", "x/two"}}}});
  EXPECT_EQ(version_of(repository, "a"), "two");
  EXPECT_TRUE(old->draining());
}

TEST_F(ModelRepositoryTest, TheOldModelServesWhileTheNewOneLoads) {
  repository.apply({{"a", {{"stable", "x/one"}}}});
  while_loading = [&] {
    EXPECT_EQ(version_of(repository, "a"), "one");
    EXPECT_THAT(index_of(repository), ElementsAre("a@one READY", HasSubstr("a@two LOADING")));
  };
  repository.apply({{"a", {{"stable", "x/two"}}}});
  EXPECT_THAT(index_of(repository), ElementsAre("a@two READY"));
}

TEST_F(ModelRepositoryTest, AnArtifactThatDoesNotLoadLeavesTheOldOneAndSaysWhy) {
  repository.apply({{"a", {{"stable", "x/one"}}}});
  broken["x/two"] = absl::DataLossError("weights are torn");
  EXPECT_EQ(repository.apply({{"a", {{"stable", "x/two"}}}}), 1);
  EXPECT_EQ(version_of(repository, "a"), "one");
  EXPECT_FALSE((*repository.find("a", ""))->draining());
  EXPECT_THAT(index_of(repository),
              ElementsAre("a@one READY", "a@two UNAVAILABLE: weights are torn"));
  broken.clear();
  EXPECT_EQ(repository.apply({{"a", {{"stable", "x/two"}}}}), 0);
  EXPECT_EQ(version_of(repository, "a"), "two");
}

TEST_F(ModelRepositoryTest, ANameWhoseOnlyArtifactFailsIsUnavailableWithTheReason) {
  broken["x/one"] = absl::NotFoundError("config.json is missing");
  repository.apply({{"a", {{"stable", "x/one"}}}});
  EXPECT_THAT(version_of(repository, "a"),
              HasSubstr("UNAVAILABLE: model \"a\" version \"one\" is not loaded: "
                        "config.json is missing"));
}

TEST_F(ModelRepositoryTest, LoadsNothingTwice) {
  const std::vector<DesiredModel> desired = {{"a", {{"stable", "x/one"}, {"canary", "x/one"}}}};
  repository.apply(desired);
  repository.apply(desired);
  EXPECT_THAT(loaded, ElementsAre("x/one"));
  EXPECT_EQ(version_of(repository, "a", "canary"), "one");
}

TEST_F(ModelRepositoryTest, ANameThatIsNoLongerDesiredGoes) {
  repository.apply({{"a", {{"", "x/one"}}}});
  const std::shared_ptr<Model> old = *repository.find("a", "");
  repository.apply({});
  EXPECT_THAT(index_of(repository), IsEmpty());
  EXPECT_TRUE(old->draining());
}

TEST_F(ModelRepositoryTest, AnEngineWhoseLogitsAreNotFiniteIsNotServed) {
  class Broken : public FakeEngine {
   public:
    absl::StatusOr<std::vector<runtime::Answer>> predict(std::span<const runtime::Row>) override {
      return std::vector<runtime::Answer>{{{NAN, 0.0f}, {0.5f, 0.5f}, 0, 1, 0.5f}};
    }
  };
  const auto model =
      Model::make("a", "one", std::make_unique<Broken>(), {}, executor, metrics, labels);
  EXPECT_EQ(model.status().code(), absl::StatusCode::kDataLoss);
}

TEST(ModelLabels, LaterNamesShareOneLabel) {
  ModelLabels labels(2);
  EXPECT_EQ(labels.of("a"), "a");
  EXPECT_EQ(labels.of("b"), "b");
  EXPECT_EQ(labels.of("c"), "other");
  EXPECT_EQ(labels.of("a"), "a");
}

}  // namespace
}  // namespace espalier::server
