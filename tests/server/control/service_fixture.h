// A whole espalierd in this process, its clients, and a small language over them.
#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/base/files.h"
#include "core/base/hash.h"
#include "espalier/v1/artifact.grpc.pb.h"
#include "espalier/v1/dataset.grpc.pb.h"
#include "espalier/v1/endpoint.grpc.pb.h"
#include "espalier/v1/job.grpc.pb.h"
#include "espalier/v1/method.grpc.pb.h"
#include "espalier/v1/model.grpc.pb.h"
#include "espalier/v1/upload.grpc.pb.h"
#include "espalier/worker/v1/worker.grpc.pb.h"
#include "server/common/status.h"
#include "server/control/control_plane.h"
#include "tests/server/control/store_fixture.h"

namespace espalier::server {

// Data sets are really read; of models the tiny ones here have no weights, so their check is a word
// in config.json. What stands in a file facts.json is what was found.
class TestInspector : public Inspector {
 public:
  absl::StatusOr<Json> run(ResourceKind kind, const std::string& folder, const Json& spec,
                           const std::atomic<bool>&) override {
    if (auto facts = read_json(folder + "/facts.json"); facts.ok()) return facts;
    if (kind == ResourceKind::kDataset) return inspect(kind, folder, spec);
    if (std::filesystem::exists(folder + "/config.json")) {
      return Json{
          {"ok", true}, {"family", "bert"}, {"parameters", 1e6}, {"layers", 3}, {"hidden", 16}};
    }
    return Json{{"ok", false}, {"reason", "BAD_MODEL"}, {"message", "there is no config.json"}};
  }
};

inline Json test_catalogue() {
  const auto method = [](const char* kind, const char* name) {
    const Json options = Json::array({{{"name", "weight"},
                                       {"type", "number"},
                                       {"default", 1.0},
                                       {"minimum", 0.0},
                                       {"maximum", 10.0},
                                       {"description", "Weight."}}});
    return Json{{"kind", kind},       {"name", name},       {"summary", "A method."},
                {"source", "Paper."}, {"options", options}, {"digest", schema_digest(options)}};
  };
  return {{"methods",
           {method("pruner", "taylor"), method("distiller", "soft_labels"),
            method("exit", "deebert")}}};
}

class ServiceTest : public testing::Test {
 protected:
  using Content = std::vector<std::pair<std::string, std::string>>;  // path, bytes

  ServiceTest() {
    start();
    const auto channel = grpc::CreateChannel(plane->address(), grpc::InsecureChannelCredentials());
    models = espalier::v1::ModelService::NewStub(channel);
    datasets = espalier::v1::DatasetService::NewStub(channel);
    uploads = espalier::v1::UploadService::NewStub(channel);
    methods = espalier::v1::MethodService::NewStub(channel);
    jobs = espalier::v1::JobService::NewStub(channel);
    artifacts = espalier::v1::ArtifactService::NewStub(channel);
    endpoints = espalier::v1::EndpointService::NewStub(channel);
    workers = espalier::worker::v1::WorkerService::NewStub(channel);
  }

  void start() {
    ControlOptions options;
    options.listen = "127.0.0.1:0";
    options.admin = "127.0.0.1:0";
    options.data = folder.path();
    options.durable = false;
    auto started =
        ControlPlane::start(options, *Catalogue::read(test_catalogue()), clock, inspector);
    EXPECT_TRUE(started.ok()) << started.status();
    plane = *std::move(started);
  }

  // One unary call; the status comes back with its reason.
  template <class Stub, class Request, class Response>
  absl::Status call(Stub& stub,
                    grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response& response) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
    return from_grpc((stub.*method)(&context, request, &response));
  }
#define ESPALIER_CALL(stub, Method, request, response) \
  call(*(stub), &std::remove_reference_t<decltype(*(stub))>::Method, request, response)

  static void announce(const Content& content,
                       google::protobuf::RepeatedPtrField<espalier::v1::File>& files) {
    for (const auto& [path, bytes] : content) {
      auto& file = *files.Add();
      file.set_path(path);
      file.set_size(bytes.size());
      file.set_sha256(sha256_hex(bytes));
    }
  }
  void send(const Content& content,
            const google::protobuf::RepeatedPtrField<espalier::v1::File>& files) {
    for (const auto& file : files) {
      if (file.upload().empty()) continue;
      for (const auto& [path, bytes] : content) {
        if (path != file.path()) continue;
        espalier::v1::WriteChunkRequest chunk;
        chunk.set_upload(file.upload());
        chunk.set_data(bytes);
        chunk.set_crc32c(crc32c(bytes));
        espalier::v1::WriteChunkResponse written;
        ASSERT_TRUE(ESPALIER_CALL(uploads, WriteChunk, chunk, written).ok());
        espalier::v1::FinalizeUploadRequest finalize;
        finalize.set_name(file.upload());
        espalier::v1::FinalizeUploadResponse finalized;
        ASSERT_TRUE(ESPALIER_CALL(uploads, FinalizeUpload, finalize, finalized).ok());
      }
    }
  }
  espalier::v1::CreateModelRequest model_request(const std::string& id, const Content& content) {
    espalier::v1::CreateModelRequest request;
    request.set_parent("projects/default");
    request.set_model_id(id);
    announce(content, *request.mutable_model()->mutable_files());
    return request;
  }
  espalier::v1::CreateDatasetRequest dataset_request(const std::string& id,
                                                     const Content& content) {
    espalier::v1::CreateDatasetRequest request;
    request.set_parent("projects/default");
    request.set_dataset_id(id);
    announce(content, *request.mutable_dataset()->mutable_files());
    auto& split = *request.mutable_dataset()->add_splits();
    split.set_name("train");
    split.set_path(content.front().first);
    return request;
  }
  // Uploads, and waits for the check.
  espalier::v1::Model add_model(const std::string& id, const Content& content) {
    const auto request = model_request(id, content);
    espalier::v1::CreateModelResponse made;
    const absl::Status status = ESPALIER_CALL(models, CreateModel, request, made);
    EXPECT_TRUE(status.ok()) << status;
    send(content, made.model().files());
    espalier::v1::GetModelRequest get;
    get.set_name(made.model().name());
    espalier::v1::GetModelResponse got;
    do {
      std::this_thread::yield();
      if (!ESPALIER_CALL(models, GetModel, get, got).ok()) break;
    } while (got.model().state() == espalier::v1::Model::STATE_VALIDATING);
    return got.model();
  }
  espalier::v1::Dataset add_dataset(const std::string& id, const Content& content,
                                    const std::string& task = "") {
    auto request = dataset_request(id, content);
    request.mutable_dataset()->set_task(task);
    espalier::v1::CreateDatasetResponse made;
    const absl::Status status = ESPALIER_CALL(datasets, CreateDataset, request, made);
    EXPECT_TRUE(status.ok()) << status;
    send(content, made.dataset().files());
    espalier::v1::GetDatasetRequest get;
    get.set_name(made.dataset().name());
    espalier::v1::GetDatasetResponse got;
    do {
      std::this_thread::yield();
      if (!ESPALIER_CALL(datasets, GetDataset, get, got).ok()) break;
    } while (got.dataset().state() == espalier::v1::Dataset::STATE_VALIDATING);
    return got.dataset();
  }
  // Model "m" and data set "d", both READY.
  void add_material() {
    ASSERT_EQ(add_model("m", {{"config.json", "{}"}}).state(), espalier::v1::Model::STATE_READY);
    ASSERT_EQ(add_dataset("d", {{"train.tsv", "text\tlabel\ngood\tpos\nbad\tneg\n"}}).state(),
              espalier::v1::Dataset::STATE_READY);
  }
  espalier::v1::CreateJobRequest job_request(const std::string& id) {
    espalier::v1::CreateJobRequest request;
    request.set_parent("projects/default");
    request.set_job_id(id);
    request.mutable_job()->set_model("projects/default/models/m");
    request.mutable_job()->set_dataset("projects/default/datasets/d");
    request.mutable_job()->mutable_recipe()->mutable_target()->set_sparsity(0.6);
    return request;
  }
  absl::StatusOr<espalier::v1::Job> submit(const espalier::v1::CreateJobRequest& request) {
    espalier::v1::CreateJobResponse response;
    const absl::Status status = ESPALIER_CALL(jobs, CreateJob, request, response);
    if (!status.ok()) return status;
    return response.job();
  }
  espalier::v1::Job job(const std::string& id) {
    espalier::v1::GetJobRequest request;
    request.set_name("projects/default/jobs/" + id);
    espalier::v1::GetJobResponse response;
    EXPECT_TRUE(ESPALIER_CALL(jobs, GetJob, request, response).ok());
    return response.job();
  }
  std::string state(const std::string& id) { return state_name(job(id).state()); }
  // A worker that can run every method of the catalogue.
  espalier::worker::v1::WorkerInfo able_worker(const std::string& id = "w") {
    auto info = worker(id);
    const Json catalogue = test_catalogue();
    for (const Json& method : catalogue["methods"]) {
      (*info.mutable_methods())[method["kind"].get<std::string>() + "/" +
                                method["name"].get<std::string>()] =
          method["digest"].get<std::string>();
    }
    return info;
  }
  absl::StatusOr<espalier::worker::v1::Lease> lease(const espalier::worker::v1::WorkerInfo& info,
                                                    double wait = 0) {
    espalier::worker::v1::LeaseJobRequest request;
    *request.mutable_worker() = info;
    request.set_wait_seconds(wait);
    espalier::worker::v1::LeaseJobResponse response;
    const absl::Status status = ESPALIER_CALL(workers, LeaseJob, request, response);
    if (!status.ok()) return status;
    return response.lease();
  }

  ScratchFolder folder;
  ManualClock clock;
  TestInspector inspector;
  std::unique_ptr<ControlPlane> plane;
  std::unique_ptr<espalier::v1::ModelService::Stub> models;
  std::unique_ptr<espalier::v1::DatasetService::Stub> datasets;
  std::unique_ptr<espalier::v1::UploadService::Stub> uploads;
  std::unique_ptr<espalier::v1::MethodService::Stub> methods;
  std::unique_ptr<espalier::v1::JobService::Stub> jobs;
  std::unique_ptr<espalier::v1::ArtifactService::Stub> artifacts;
  std::unique_ptr<espalier::v1::EndpointService::Stub> endpoints;
  std::unique_ptr<espalier::worker::v1::WorkerService::Stub> workers;
};

}  // namespace espalier::server
