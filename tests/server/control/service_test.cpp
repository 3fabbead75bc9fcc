#include <limits>
#include <thread>

#include "tests/server/control/service_fixture.h"

namespace espalier::server {
namespace {

using namespace espalier::v1;  // NOLINT: messages only
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class Service : public ServiceTest {};

std::string text(const absl::Status& status) { return std::string(status.message()); }

TEST_F(Service, AModelIsReadyWithItsFactsOnceAllBytesAreHere) {
  const Model model = add_model("m", {{"config.json", "{}"}, {"vocab.txt", "a\n"}});
  EXPECT_EQ(model.state(), Model::STATE_READY);
  EXPECT_EQ(model.family(), "bert");
  EXPECT_EQ(model.layers(), 3u);
  EXPECT_EQ(model.files_size(), 2);
  EXPECT_EQ(model.files(0).upload(), "");
}

TEST_F(Service, AModelThatCannotBeUsedIsInvalidWithTheReason) {
  const Model model = add_model("m", {{"pytorch_model.bin", "\x80\x02"}});
  EXPECT_EQ(model.state(), Model::STATE_INVALID);
  EXPECT_EQ(model.failure().reason(), "BAD_MODEL");
  EXPECT_THAT(model.failure().message(), HasSubstr("config.json"));
}

TEST_F(Service, ADatasetIsReadyWithLabelsAndRows) {
  const Dataset dataset = add_dataset("d", {{"train.tsv", "text\tlabel\ngood\tpos\nbad\tneg\n"}});
  ASSERT_EQ(dataset.state(), Dataset::STATE_READY) << dataset.failure().message();
  EXPECT_THAT(dataset.label_names(), ElementsAre("neg", "pos"));
  EXPECT_EQ(dataset.splits(0).rows(), 2u);
  EXPECT_EQ(dataset.text_column(), "text");
}

TEST_F(Service, ADatasetWithoutItsColumnIsInvalidAndNamesThoseFound) {
  const Dataset dataset = add_dataset("d", {{"train.tsv", "sentence\tlabel\ngood\tpos\n"}});
  EXPECT_EQ(dataset.state(), Dataset::STATE_INVALID);
  EXPECT_EQ(dataset.failure().reason(), "BAD_DATA");
  EXPECT_THAT(dataset.failure().message(), HasSubstr("sentence"));
}

TEST_F(Service, BadFilesAreRefusedWithTheirField) {
  for (const auto& [path, hash] :
       {std::pair<std::string, std::string>{"../x", std::string(64, 'a')},
        {"/x", std::string(64, 'a')},
        {"x", "abc"}}) {
    auto request = model_request("m", {});
    auto& file = *request.mutable_model()->add_files();
    file.set_path(path);
    file.set_sha256(hash);
    CreateModelResponse response;
    const absl::Status status = ESPALIER_CALL(models, CreateModel, request, response);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(fields_of(status).at(0).field, "model.files[0]");
  }
}

TEST_F(Service, BadIdsAndTakenIdsAreRefused) {
  CreateModelResponse response;
  const auto bad = model_request("Bad_Id", {{"config.json", "{}"}});
  EXPECT_EQ(ESPALIER_CALL(models, CreateModel, bad, response).code(),
            absl::StatusCode::kInvalidArgument);
  add_model("m", {{"config.json", "{}"}});
  const auto taken = model_request("m", {{"config.json", "{}"}});
  EXPECT_EQ(ESPALIER_CALL(models, CreateModel, taken, response).code(),
            absl::StatusCode::kAlreadyExists);
}

TEST_F(Service, MethodsComeFromTheCatalogue) {
  ListMethodsRequest request;
  request.set_kind(Method::KIND_PRUNER);
  ListMethodsResponse response;
  ASSERT_TRUE(ESPALIER_CALL(methods, ListMethods, request, response).ok());
  ASSERT_EQ(response.methods_size(), 1);
  EXPECT_EQ(response.methods(0).name(), "taylor");
  EXPECT_EQ(response.methods(0).options(0).default_json(), "1.0");
  EXPECT_EQ(response.methods(0).options(0).maximum(), 10);
}

TEST_F(Service, ASubmittedJobHasItsRecipeResolved) {
  add_material();
  const Job made = submit(job_request("a")).value();
  EXPECT_EQ(made.state(), Job::STATE_QUEUED);
  EXPECT_EQ(made.artifact_id(), "a");
  const auto& recipe = made.resolved_recipe().fields();
  EXPECT_EQ(recipe.at("pruner").struct_value().fields().at("name").string_value(), "taylor");
  EXPECT_NE(recipe.at("pruner").struct_value().fields().at("digest").string_value(), "");
}

TEST_F(Service, AnUnknownMethodIsRefusedWithTheKnownOnes) {
  add_material();
  auto request = job_request("a");
  request.mutable_job()->mutable_recipe()->mutable_pruner()->set_name("cofl");
  const absl::Status status = submit(request).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(text(status), HasSubstr("unknown pruner \"cofl\"; known: taylor"));
}

TEST_F(Service, ASparsityOutOfRangeIsRefused) {
  add_material();
  auto request = job_request("a");
  request.mutable_job()->mutable_recipe()->mutable_target()->set_sparsity(1.5);
  EXPECT_THAT(text(submit(request).status()), HasSubstr("1.5"));
}

TEST_F(Service, NumbersThatAreNotFiniteAreRefusedByTheirField) {
  add_material();
  auto request = job_request("a");
  auto& recipe = *request.mutable_job()->mutable_recipe();
  recipe.mutable_finetune()->set_learning_rate(std::numeric_limits<double>::quiet_NaN());
  EXPECT_THAT(text(submit(request).status()),
              HasSubstr("finetune.learning_rate must be a number, found \"NaN\""));
  recipe.clear_finetune();
  recipe.mutable_pruner()->set_name("taylor");
  (*recipe.mutable_pruner()->mutable_options()->mutable_fields())["weight"].set_number_value(
      std::numeric_limits<double>::infinity());
  EXPECT_THAT(text(submit(request).status()),
              HasSubstr("option 'weight' must be a number, found \"Infinity\""));
}

TEST_F(Service, AJobIsMadeWithAnIdOfItsOwnAndOnceARequest) {
  add_material();
  auto request = job_request("");
  request.set_request_id("r");
  const Job first = submit(request).value();
  EXPECT_EQ(submit(request)->name(), first.name());
  request.mutable_job()->set_priority(3);
  EXPECT_EQ(submit(request).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(Service, ARequestIsNewAgainAfterItsJobWasDeleted) {
  add_material();
  auto request = job_request("a");
  request.set_request_id("r");
  const Job first = submit(request).value();
  CancelJobRequest cancel;
  cancel.set_name(first.name());
  CancelJobResponse cancelled;
  ASSERT_TRUE(ESPALIER_CALL(jobs, CancelJob, cancel, cancelled).ok());
  DeleteJobRequest erase;
  erase.set_name(first.name());
  DeleteJobResponse erased;
  ASSERT_TRUE(ESPALIER_CALL(jobs, DeleteJob, erase, erased).ok());
  EXPECT_EQ(submit(request)->state(), Job::STATE_QUEUED);
}

TEST_F(Service, ADatasetsFaultNamesTheFileAsItWasUploaded) {
  const Dataset dataset = add_dataset("d", {{"train.tsv", "sentence\tlabel\ngood\tpos\n"}});
  EXPECT_THAT(dataset.failure().message(), HasSubstr("train.tsv"));
  EXPECT_THAT(dataset.failure().message(), Not(HasSubstr("/")));
}

TEST_F(Service, ValidateOnlyCreatesNothing) {
  add_material();
  auto request = job_request("a");
  request.set_validate_only(true);
  EXPECT_TRUE(submit(request)->has_resolved_recipe());
  request.set_validate_only(false);
  EXPECT_TRUE(submit(request).ok());
}

TEST_F(Service, AJobWithoutADataSetMustBeDenseAndTrainNothing) {
  add_material();
  auto request = job_request("a");
  request.mutable_job()->clear_dataset();
  EXPECT_EQ(reason(submit(request).status()), "NO_DATASET");
  request.mutable_job()->clear_recipe();
  request.mutable_job()->mutable_recipe()->set_recipe("dense");
  request.mutable_job()->mutable_recipe()->mutable_finetune()->set_epochs(0);
  EXPECT_TRUE(submit(request).ok());
}

TEST_F(Service, ListsArePagedAndATokenBelongsToItsQuery) {
  add_material();
  for (const char* id : {"a", "b", "c"}) submit(job_request(id)).value();
  ListJobsRequest request;
  request.set_parent("projects/default");
  request.set_page_size(2);
  ListJobsResponse first, second;
  ASSERT_TRUE(ESPALIER_CALL(jobs, ListJobs, request, first).ok());
  EXPECT_EQ(first.jobs_size(), 2);
  request.set_page_token(first.next_page_token());
  ASSERT_TRUE(ESPALIER_CALL(jobs, ListJobs, request, second).ok());
  EXPECT_EQ(second.jobs_size(), 1);
  EXPECT_EQ(second.next_page_token(), "");
  request.set_order_by("create_time");
  EXPECT_EQ(ESPALIER_CALL(jobs, ListJobs, request, second).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(Service, AWatchSeesAJobToItsEnd) {
  add_material();
  submit(job_request("a")).value();
  grpc::ClientContext context;
  WatchJobRequest request;
  request.set_name("projects/default/jobs/a");
  auto reader = jobs->WatchJob(&context, request);
  WatchJobResponse response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.event().kind(), "created");
  CancelJobRequest cancel;
  cancel.set_name(request.name());
  CancelJobResponse cancelled;
  ASSERT_TRUE(ESPALIER_CALL(jobs, CancelJob, cancel, cancelled).ok());
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.event().state(), Job::STATE_CANCELLED);
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_TRUE(reader->Finish().ok());
}

TEST_F(Service, AJobThatNobodyCanRunSaysSo) {
  add_material();
  submit(job_request("a")).value();
  plane->tick();
  EXPECT_EQ(job("a").state_reason(), "NO_CAPABLE_WORKER");
  worker::v1::RegisterWorkerRequest request;
  *request.mutable_worker() = able_worker();
  worker::v1::RegisterWorkerResponse response;
  ASSERT_TRUE(ESPALIER_CALL(workers, RegisterWorker, request, response).ok());
  plane->tick();
  EXPECT_EQ(job("a").state_reason(), "");
}

TEST_F(Service, AWorkerThatIsGoneIsForgottenWhileNoJobWaits) {
  add_material();
  worker::v1::RegisterWorkerRequest request;
  *request.mutable_worker() = able_worker();
  worker::v1::RegisterWorkerResponse response;
  ASSERT_TRUE(ESPALIER_CALL(workers, RegisterWorker, request, response).ok());
  clock.advance(61'000);
  plane->tick();
  worker::v1::HeartbeatRequest heartbeat;  // an id alone makes no worker known
  heartbeat.mutable_token()->set_job("projects/default/jobs/a");
  heartbeat.mutable_token()->set_worker("w");
  worker::v1::HeartbeatResponse answer;
  EXPECT_FALSE(ESPALIER_CALL(workers, Heartbeat, heartbeat, answer).ok());
  submit(job_request("a")).value();
  plane->tick();
  EXPECT_EQ(job("a").state_reason(), "NO_CAPABLE_WORKER");
}

std::string exit_of(const Job& job) {
  const auto& recipe = job.resolved_recipe().fields();
  return recipe.at("exit").struct_value().fields().at("name").string_value();
}

TEST_F(Service, AJobIsCheckedAgainstTheTaskOfItsDataSet) {
  add_material();
  const Dataset numbers =
      add_dataset("numbers", {{"train.tsv", "text\tlabel\ngood\t5\nbad\t1.5\n"}}, "regression");
  ASSERT_EQ(numbers.state(), Dataset::STATE_READY);
  auto request = job_request("a");
  request.mutable_job()->set_dataset(numbers.name());
  request.mutable_job()->mutable_recipe()->mutable_exit()->set_name("deebert");
  EXPECT_EQ(reason(submit(request).status()), "BAD_RECIPE");
  request.mutable_job()->mutable_recipe()->clear_exit();
  EXPECT_EQ(exit_of(submit(request).value()), "none");
  request.set_job_id("c");
  request.mutable_job()->set_dataset("projects/default/datasets/d");
  EXPECT_EQ(exit_of(submit(request).value()), "deebert");
  request = job_request("b");
  request.mutable_job()->mutable_recipe()->mutable_constraint()->set_metric("pearson");
  EXPECT_EQ(reason(submit(request).status()), "BAD_RECIPE");
}

TEST_F(Service, ADatasetOfQuestionsHasNoColumns) {
  auto questions = dataset_request("questions", {{"train.json", "to come"}});
  questions.mutable_dataset()->set_task("question-answering");
  CreateDatasetResponse made;
  ASSERT_TRUE(ESPALIER_CALL(datasets, CreateDataset, questions, made).ok());
  EXPECT_EQ(made.dataset().text_column() + made.dataset().label_column(), "");
}

TEST_F(Service, AJobsImagesMustFitIntoMemory) {
  add_model("m", {{"facts.json", R"({"ok": true, "family": "vit", "layers": 3,
                                     "image_size": 224, "channels": 3})"}});
  Content files = {{"train.tar", "looked into"},
                   {"facts.json", R"({"ok": true, "label_names": ["a", "b"],
                                      "rows": {"train": 60000}})"}};
  ASSERT_EQ(add_dataset("d", files, "image-classification").state(), Dataset::STATE_READY);
  const absl::Status status = submit(job_request("a")).status();
  EXPECT_EQ(reason(status), "TOO_MANY_PIXELS");
  EXPECT_THAT(text(status), HasSubstr("60000 images of 3 x 224 x 224 pixels"));
}

TEST_F(Service, AJobsModelMustReadWhatItsDataSetHolds) {
  add_material();
  auto images = dataset_request("images", {{"train.tar", "to come"}});
  images.mutable_dataset()->set_task("image-classification");
  images.mutable_dataset()->mutable_splits(0)->set_under("train/");
  CreateDatasetResponse made;
  ASSERT_TRUE(ESPALIER_CALL(datasets, CreateDataset, images, made).ok());
  EXPECT_EQ(made.dataset().text_column() + made.dataset().label_column(), "");
  auto request = job_request("a");
  request.mutable_job()->set_dataset(made.dataset().name());
  const absl::Status status = submit(request).status();
  EXPECT_EQ(reason(status), "OTHER_INPUTS");
  EXPECT_THAT(text(status), HasSubstr("but the model, a bert, reads texts"));
}

TEST_F(Service, ListsOfAJobAreBounded) {
  add_material();
  auto request = job_request("a");
  for (int i = 0; i < 65; ++i) {
    request.mutable_job()->add_after("projects/default/jobs/b");
  }
  EXPECT_EQ(reason(submit(request).status()), "TOO_MANY");
  request.mutable_job()->clear_after();
  auto& labels = *request.mutable_job()->mutable_worker_labels();
  for (int i = 0; i < 65; ++i) labels[std::to_string(i)] = "x";
  EXPECT_EQ(reason(submit(request).status()), "TOO_MANY");
  labels.clear();
  labels["gpu"] = std::string(257, 'x');
  EXPECT_EQ(reason(submit(request).status()), "TOO_LONG");
  labels["gpu"] = "none";
  EXPECT_TRUE(submit(request).ok());
}

TEST_F(Service, ADatasetsFaultIsCutToALengthThatListsCanCarry) {
  const Dataset dataset = add_dataset(
      "d", {{"train.tsv", absl::StrCat(std::string(100'000, 'x'), "\tlabel\ngood\tpos\n")}});
  EXPECT_EQ(dataset.state(), Dataset::STATE_INVALID);
  EXPECT_LT(dataset.failure().message().size(), 5000u);
}

TEST_F(Service, AnEndpointIsCheckedBeforeItIsSet) {
  SetEndpointRequest request;
  auto& endpoint = *request.mutable_endpoint();
  endpoint.set_name("projects/default/endpoints/e");
  SetEndpointResponse response;
  EXPECT_EQ(ESPALIER_CALL(endpoints, SetEndpoint, request, response).code(),
            absl::StatusCode::kInvalidArgument);
  auto& route = *endpoint.add_routes();
  route.set_alias("stable");
  route.set_artifact("projects/default/artifacts/none");
  EXPECT_THAT(text(ESPALIER_CALL(endpoints, SetEndpoint, request, response)),
              HasSubstr("the sum must be above 0"));
  route.set_weight(1);
  EXPECT_EQ(ESPALIER_CALL(endpoints, SetEndpoint, request, response).code(),
            absl::StatusCode::kNotFound);
}

TEST_F(Service, AWatchOfEndpointsStartsWithWhatIsThereEvenIfNothingIs) {
  grpc::ClientContext context;
  WatchEndpointsRequest request;
  request.set_parent("projects/default");
  auto reader = endpoints->WatchEndpoints(&context, request);
  WatchEndpointsResponse response;
  ASSERT_TRUE(reader->Read(&response));
  EXPECT_EQ(response.endpoints_size(), 0);
  plane->drain(std::chrono::seconds(5));
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(Service, ASecondOneOnTheSameDataIsRefused) {
  ControlOptions options;
  options.listen = options.admin = "127.0.0.1:0";
  options.data = folder.path();
  const auto second =
      ControlPlane::start(options, *Catalogue::read(test_catalogue()), clock, inspector);
  EXPECT_EQ(reason(second.status()), "DATA_FOLDER_LOCKED");
}

TEST_F(Service, ASecondOneOnTheSamePortIsRefused) {
  ScratchFolder other;
  ControlOptions options;
  options.listen = plane->address();
  options.admin = "127.0.0.1:0";
  options.data = other.path();
  const auto second =
      ControlPlane::start(options, *Catalogue::read(test_catalogue()), clock, inspector);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(text(second.status()), HasSubstr("cannot listen on " + plane->address()));
}

}  // namespace
}  // namespace espalier::server
