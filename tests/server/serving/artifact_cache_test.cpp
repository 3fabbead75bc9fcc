#include "server/serving/artifact_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "core/base/files.h"
#include "server/serving/endpoint_store.h"
#include "tests/server/serving/fake_artifacts.h"

namespace espalier::server {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kOne[] = "projects/p/artifacts/one";

class ArtifactCacheTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    folder = ::testing::TempDir() + "artifact_cache_" + info->name();
    fs::remove_all(folder);
    source.add(kOne, "config.json", "{\"a\": 1}");
    source.add(kOne, "tokenizer/vocab.txt", "[PAD]\n[UNK]\n");
  }
  void TearDown() override { fs::remove_all(folder); }
  std::vector<std::string> files() {
    return list_files(folder).value_or(std::vector<std::string>{});
  }

  std::string folder;
  FakeArtifacts source;
};

TEST_F(ArtifactCacheTest, DownloadsOnceAndKeepsWhatItHas) {
  ArtifactCache cache(folder, source);
  const auto first = cache.folder_of({.artifact = kOne});
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(*read_file(*first + "/config.json"), "{\"a\": 1}");
  EXPECT_EQ(*read_file(*first + "/tokenizer/vocab.txt"), "[PAD]\n[UNK]\n");
  EXPECT_EQ(*cache.folder_of({.artifact = kOne}), *first);
  EXPECT_EQ(source.gets, 1);
}

TEST_F(ArtifactCacheTest, AnIdThatCameAgainIsOtherContent) {
  ArtifactCache cache(folder, source);
  source.artifacts[kOne].set_manifest_sha256("aaaa");
  const auto first = cache.folder_of({.artifact = kOne, .manifest = "aaaa"});
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(cache.folder_of({.artifact = kOne, .manifest = "bbbb"}).status().code(),
            absl::StatusCode::kAborted);
  source.artifacts[kOne].set_manifest_sha256("bbbb");
  const auto second = cache.folder_of({.artifact = kOne, .manifest = "bbbb"});
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_NE(*first, *second);
  cache.keep_only({"one.bbbb"});
  EXPECT_FALSE(fs::exists(*first));
  EXPECT_TRUE(fs::exists(*second));
}

TEST_F(ArtifactCacheTest, AnEmptyFileIsAFileToo) {
  source.add(kOne, "empty", "");
  ArtifactCache cache(folder, source);
  EXPECT_TRUE(cache.folder_of({.artifact = kOne}).ok());
  EXPECT_THAT(files(), ::testing::Contains("artifacts/one/empty"));
}

TEST_F(ArtifactCacheTest, WhatDiffersFromItsHashLeavesNothingBehind) {
  source.contents[kOne]["config.json"][0] = '[';
  ArtifactCache cache(folder, source);
  const auto status = cache.folder_of({.artifact = kOne}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("config.json"));
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(ArtifactCacheTest, AFileThatGrowsIsNoticedBeforeItFillsTheDisk) {
  source.contents[kOne]["config.json"] += std::string(1000, ' ');
  ArtifactCache cache(folder, source);
  const auto status = cache.folder_of({.artifact = kOne}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("came with 9 bytes"));
}

TEST_F(ArtifactCacheTest, APathThatLeavesTheFolderIsRefused) {
  source.add(kOne, "../../escaped", "x");
  ArtifactCache cache(folder, source);
  EXPECT_EQ(cache.folder_of({.artifact = kOne}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(files(), IsEmpty());
}

TEST_F(ArtifactCacheTest, ANameThatIsNoFolderNameIsRefused) {
  ArtifactCache cache(folder, source);
  for (const char* name : {"", "projects/p/artifacts/..", "projects/p/artifacts/.hidden"}) {
    EXPECT_EQ(cache.folder_of({.artifact = name}).status().code(),
              absl::StatusCode::kInvalidArgument)
        << name;
  }
}

TEST_F(ArtifactCacheTest, KeepsOnlyWhatIsWanted) {
  source.add("projects/p/artifacts/two", "config.json", "{}");
  ArtifactCache cache(folder, source);
  ASSERT_TRUE(cache.folder_of({.artifact = kOne}).ok());
  ASSERT_TRUE(cache.folder_of({.artifact = "projects/p/artifacts/two"}).ok());
  cache.keep_only({"two"});
  EXPECT_THAT(files(), ElementsAre("artifacts/two/config.json"));
}

TEST_F(ArtifactCacheTest, EndpointsSurviveTheDisk) {
  ASSERT_TRUE(make_folders(folder).ok());
  const std::string path = folder + "/endpoints.json";
  EXPECT_EQ(load_endpoints(path).status().code(), absl::StatusCode::kNotFound);
  v1::WatchEndpointsResponse endpoints;
  v1::Endpoint* endpoint = endpoints.add_endpoints();
  endpoint->set_name("projects/p/endpoints/reviews");
  v1::Endpoint::Route* route = endpoint->add_routes();
  route->set_alias("stable");
  route->set_artifact(kOne);
  route->set_weight(2);
  ASSERT_TRUE(save_endpoints(path, endpoints).ok());
  const auto loaded = load_endpoints(path);
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_THAT(desired_models(*loaded),
              ElementsAre(DesiredModel{"reviews", {{"stable", kOne, 2.0}}}));
  ASSERT_TRUE(write_file(path, "torn{").ok());
  EXPECT_EQ(load_endpoints(path).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace espalier::server
