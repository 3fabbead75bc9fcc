// Uploads that break and go on, and downloads that are checked.
#include <gmock/gmock.h>

#include <filesystem>
#include <map>

#include "client/cpp/connection.h"
#include "client/cpp/names.h"
#include "core/base/files.h"
#include "core/base/hash.h"
#include "tests/client/cpp/fake_server.h"

namespace espalier::client {
namespace {

// Holds bytes by upload name; every third WriteChunk fails after it took the bytes, as a lost
// answer does.
class FakeUploads : public v1::UploadService::Service {
 public:
  std::map<std::string, std::string> bytes;
  std::map<std::string, bool> finalized;
  int writes = 0, fail_every = 3;
  bool refuse = false;

  grpc::Status GetUpload(grpc::ServerContext*, const v1::GetUploadRequest* request,
                         v1::GetUploadResponse* response) override {
    response->mutable_upload()->set_committed(bytes[request->name()].size());
    response->mutable_upload()->set_finalized(finalized[request->name()]);
    return grpc::Status::OK;
  }
  grpc::Status WriteChunk(grpc::ServerContext*, const v1::WriteChunkRequest* request,
                          v1::WriteChunkResponse* response) override {
    if (refuse) return {grpc::StatusCode::RESOURCE_EXHAUSTED, "the disk is full"};
    auto& content = bytes[request->upload()];
    if (request->offset() != content.size()) return {grpc::StatusCode::OUT_OF_RANGE, "a gap"};
    if (request->crc32c() != crc32c(request->data())) return {grpc::StatusCode::DATA_LOSS, "crc"};
    content += request->data();
    response->set_committed(content.size());
    if (++writes % fail_every == 0) return {grpc::StatusCode::UNAVAILABLE, "gone"};
    return grpc::Status::OK;
  }
  grpc::Status FinalizeUpload(grpc::ServerContext*, const v1::FinalizeUploadRequest* request,
                              v1::FinalizeUploadResponse*) override {
    finalized[request->name()] = true;
    return grpc::Status::OK;
  }
};

class FakeModels : public v1::ModelService::Service {
 public:
  v1::Model model;
  std::vector<std::string> request_ids;
  bool deleted_since = false, answers_with_other_content = false;
  v1::Model::State answer = v1::Model::STATE_READY;

  grpc::Status CreateModel(grpc::ServerContext*, const v1::CreateModelRequest* request,
                           v1::CreateModelResponse* response) override {
    request_ids.push_back(request->request_id());
    if (deleted_since && !request->request_id().empty())
      return {grpc::StatusCode::NOT_FOUND, "no such model"};
    model = request->model();
    model.set_name(request->parent() + "/models/" + request->model_id());
    for (auto& file : *model.mutable_files()) file.set_upload("uploads/" + file.sha256());
    *response->mutable_model() = model;
    if (answers_with_other_content)
      response->mutable_model()->mutable_files(0)->set_sha256("other");
    return grpc::Status::OK;
  }
  grpc::Status GetModel(grpc::ServerContext*, const v1::GetModelRequest*,
                        v1::GetModelResponse* response) override {
    model.set_state(answer);
    *response->mutable_model() = model;
    return grpc::Status::OK;
  }
};

class FakeArtifacts : public v1::ArtifactService::Service {
 public:
  std::string content = std::string((3 << 20) + 5, 'w'), sha256 = sha256_hex(content);
  std::string path = "model.safetensors";

  grpc::Status GetArtifact(grpc::ServerContext*, const v1::GetArtifactRequest* request,
                           v1::GetArtifactResponse* response) override {
    auto& artifact = *response->mutable_artifact();
    artifact.set_name(request->name());
    auto& file = *artifact.add_files();
    file.set_path(path);
    file.set_size(content.size());
    file.set_sha256(sha256);
    return grpc::Status::OK;
  }
  grpc::Status ReadArtifactFile(grpc::ServerContext*, const v1::ReadArtifactFileRequest* request,
                                v1::ReadArtifactFileResponse* response) override {
    response->set_data(content.substr(request->offset(), request->limit()));
    return grpc::Status::OK;
  }
};

class Transfer : public ::testing::Test {
 protected:
  void SetUp() override {
    folder = ::testing::TempDir() + "/transfer_" + std::to_string(getpid());
    std::filesystem::remove_all(folder);
    ASSERT_TRUE(make_folders(folder).ok());
  }
  void TearDown() override { std::filesystem::remove_all(folder); }
  void put(const std::string& name, const std::string& content) {
    ASSERT_TRUE(write_file(folder + "/" + name, content).ok());
  }

  std::string folder;
  FakeUploads uploads;
  FakeModels models;
  FakeArtifacts artifacts;
  FakeServer server{{&uploads, &models, &artifacts}};
};

TEST_F(Transfer, GoesOnAfterLostAnswersAndSendsEveryByteOnce) {
  const std::string weights((5 << 20) + 17, 'x');
  put("config.json", "{}");
  put("model.safetensors", weights);
  std::vector<uint64_t> seen;
  auto model = server.client().upload_model(
      "m", folder, [&](const TransferProgress& at) { seen.push_back(at.done); });
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->name(), "projects/default/models/m");
  EXPECT_EQ(uploads.bytes["uploads/" + sha256_hex(weights)], weights);
  EXPECT_TRUE(uploads.finalized["uploads/" + sha256_hex(weights)]);
  EXPECT_EQ(seen.back(), weights.size() + 2);
}

TEST_F(Transfer, GoesOnWhereAnEarlierCommandStopped) {
  const std::string weights(3 << 20, 'y');
  put("model.safetensors", weights);
  uploads.bytes["uploads/" + sha256_hex(weights)] = weights.substr(0, 2 << 20);
  uploads.fail_every = 100;
  ASSERT_TRUE(server.client().upload_model("m", folder).ok());
  EXPECT_EQ(uploads.writes, 1);
}

TEST_F(Transfer, AsksForTheSameThingAgainWhenTheCommandIsGivenAgain) {
  put("model.safetensors", "abc");
  ASSERT_TRUE(server.client().upload_model("m", folder).ok());
  ASSERT_TRUE(server.client().upload_model("m", folder).ok());
  put("model.safetensors", "abd");
  ASSERT_TRUE(server.client().upload_model("m", folder).ok());
  EXPECT_EQ(models.request_ids[0], models.request_ids[1]);
  EXPECT_NE(models.request_ids[0], models.request_ids[2]);
}

TEST_F(Transfer, TakesTheProjectFromAWholeName) {
  put("model.safetensors", "abc");
  auto model = server.client().upload_model("projects/p2/models/m", folder);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ(model->name(), "projects/p2/models/m");
  EXPECT_EQ(parent_name("default", "projects/p2/datasets/other"), "projects/p2");
  EXPECT_EQ(parent_name("default", "other"), "projects/default");
}

TEST_F(Transfer, UploadsAnewWhatWasDeletedSince) {
  put("model.safetensors", "abc");
  models.deleted_since = true;
  ASSERT_TRUE(server.client().upload_model("m", folder).ok());
  EXPECT_EQ(models.request_ids[1], "");
}

TEST_F(Transfer, NeverTakesOtherContentForItsOwn) {
  put("model.safetensors", "abc");
  models.answers_with_other_content = true;
  EXPECT_TRUE(absl::IsAlreadyExists(server.client().upload_model("m", folder).status()));
}

TEST_F(Transfer, EndsWithTheServersWordsWhenTryingAgainWouldNotHelp) {
  put("model.safetensors", "abc");
  uploads.refuse = true;
  EXPECT_EQ(server.client().upload_model("m", folder).status(),
            absl::ResourceExhaustedError("the disk is full"));
}

TEST_F(Transfer, TellsWhyAModelWasRefused) {
  put("config.json", "{}");
  put("pytorch_model.bin", "pickle");
  models.answer = v1::Model::STATE_INVALID;
  models.model.mutable_failure();
  auto model = server.client().upload_model("m", folder);
  EXPECT_TRUE(absl::IsInvalidArgument(model.status())) << model.status();
  EXPECT_THAT(std::string(model.status().message()), ::testing::HasSubstr("model m was refused"));
}

TEST_F(Transfer, TakesAPickleOnlyWhereThereAreNoSafetensors) {
  put("config.json", "{}");
  put("pytorch_model.bin", "p");
  put("README.md", "r");
  EXPECT_EQ(model_files(folder)->size(), 2u);
  put("model.safetensors", "s");
  auto files = *model_files(folder);
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[1].path, "model.safetensors");
}

TEST_F(Transfer, SaysWhatAModelFolderHoldsWhenItHoldsNone) {
  EXPECT_TRUE(absl::IsInvalidArgument(model_files(folder).status()));
  EXPECT_TRUE(absl::IsNotFound(model_files(folder + "/none").status()));
  put("a.txt", "t");
  for (const char* no_folder : {"/none", "/a.txt"}) {
    EXPECT_THAT(std::string(model_files(folder + no_folder).status().message()),
                ::testing::HasSubstr("; a model is a Hugging Face folder with config.json"));
  }
}

TEST_F(Transfer, DownloadsAFileWholeAndLeavesNothingBesideIt) {
  ASSERT_TRUE(server.client().download_artifact("a", folder + "/out").ok());
  EXPECT_EQ(*read_file(folder + "/out/model.safetensors"), artifacts.content);
  EXPECT_EQ(list_files(folder + "/out")->size(), 1u);
}

TEST_F(Transfer, KeepsNoFileWhoseHashIsWrong) {
  artifacts.sha256 = sha256_hex("something else");
  EXPECT_TRUE(absl::IsDataLoss(server.client().download_artifact("a", folder + "/out").status()));
  EXPECT_TRUE(list_files(folder + "/out")->empty());
}

TEST_F(Transfer, NeverWritesOutsideItsFolder) {
  artifacts.path = "../escaped";
  EXPECT_FALSE(server.client().download_artifact("a", folder + "/out").ok());
  EXPECT_FALSE(std::filesystem::exists(folder + "/escaped"));
}

}  // namespace
}  // namespace espalier::client
