// The command line as a whole: help, usage, exit codes.
#include <gmock/gmock.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "client/cli/app.h"
#include "core/base/build.h"
#include "core/base/options.h"
#include "espalier/v1/dataset.grpc.pb.h"
#include "espalier/v1/job.grpc.pb.h"
#include "inference/grpc_service.grpc.pb.h"
#include "tests/client/cpp/fake_server.h"

namespace espalier::cli {
namespace {

using ::testing::HasSubstr;

void collect(CLI::App* app, std::vector<CLI::App*>& commands) {
  for (auto* command : app->get_subcommands({})) {
    if (command->get_name().empty()) continue;  // an option group
    commands.push_back(command);
    collect(command, commands);
  }
}

ExitCode run(const std::string& line, Context& context) {
  auto app = make_app(context);
  try {
    app->parse(line);
  } catch (const CLI::ParseError&) {
    return ExitCode::kUsage;
  }
  return context.action();
}

TEST(Help, OfEveryCommandEndsWithAnExample) {
  Context context;
  auto app = make_app(context);
  std::vector<CLI::App*> commands;
  collect(app.get(), commands);
  EXPECT_GE(commands.size(), 30u);
  for (auto* command : commands) {
    EXPECT_THAT(command->help(), HasSubstr("Example:\n  espalier ")) << command->get_name();
    EXPECT_FALSE(command->get_description().empty()) << command->get_name();
  }
}

TEST(Help, NamesTheExitCodes) {
  Context context;
  EXPECT_THAT(make_app(context)->help(), HasSubstr("5    the service cannot be reached"));
}

TEST(CommandLine, TakesGlobalOptionsBehindTheCommand) {
  Context context;
  auto app = make_app(context);
  app->parse("models list --output json --project other --address 127.0.0.1:1");
  EXPECT_TRUE(context.json());
  EXPECT_EQ(context.project, "other");
  EXPECT_EQ(context.address, "127.0.0.1:1");
}

TEST(CommandLine, RefusesWrongUsage) {
  Context context;
  for (const char* line :
       {"", "nonsense", "models", "models upload minilm", "models list --output yaml",
        "jobs submit --model m --sparsity 0.6 --speedup 2", "endpoints set reviews",
        "predict reviews", "jobs list --state sleeping", "endpoints set reviews --route nonsense",
        "jobs submit --model m --set nonsense", "predict reviews a b --pair c",
        "artifacts export a out --format pickle", "artifacts export a"}) {
    EXPECT_EQ(run(line, context), ExitCode::kUsage) << line;
  }
}

// What a command line that does not run says.
std::string answer_to(const std::string& line) {
  Context context;
  auto app = make_app(context);
  std::ostringstream out;
  try {
    app->parse(line);
  } catch (const CLI::ParseError& error) {
    app->exit(error, out, out);
  }
  return out.str();
}

TEST(CommandLine, NamesAnUnknownCommandAndTheKnownOnes) {
  EXPECT_THAT(answer_to("modles list"),
              HasSubstr("unknown command \"modles\"; known commands: up, down, status, models,"));
  EXPECT_THAT(answer_to("models nonsense"),
              HasSubstr("espalier models: unknown command \"nonsense\"; known commands: upload, "));
  EXPECT_THAT(answer_to("models"), HasSubstr("espalier models: a command is required; known"));
  EXPECT_THAT(answer_to("--nonsense"), HasSubstr("unknown option \"--nonsense\""));
  EXPECT_THAT(answer_to("models upload minilm"), HasSubstr("FOLDER is required"));
}

TEST(CommandLine, SaysItsVersion) {
  EXPECT_EQ(answer_to("--version"), std::string(version()) + "\n");
}

TEST(CommandLine, EndsWithFiveWhenNobodyIsThere) {
  for (const char* line :
       {"models list", "datasets get x", "methods", "jobs watch j", "jobs submit --model m",
        "artifacts report a", "artifacts export a out", "endpoints list"}) {
    Context context;
    context.quiet = true;
    EXPECT_EQ(run(std::string(line) + " --address 127.0.0.1:1", context), ExitCode::kUnreachable)
        << line;
  }
  Context context;
  EXPECT_EQ(run("predict m text --inference-address 127.0.0.1:1", context), ExitCode::kUnreachable);
}

TEST(ExitCodes, FollowTheStatus) {
  EXPECT_EQ(exit_code_of(absl::OkStatus()), ExitCode::kOk);
  EXPECT_EQ(exit_code_of(absl::InternalError("")), ExitCode::kFailed);
  EXPECT_EQ(exit_code_of(absl::NotFoundError("")), ExitCode::kNotFound);
  EXPECT_EQ(exit_code_of(absl::InvalidArgumentError("")), ExitCode::kRefused);
  EXPECT_EQ(exit_code_of(absl::FailedPreconditionError("")), ExitCode::kRefused);
  EXPECT_EQ(exit_code_of(absl::UnavailableError("")), ExitCode::kUnreachable);
  EXPECT_EQ(exit_code_of(usage_error("")), ExitCode::kUsage);
}

TEST(ExitCodes, TellABusyServiceFromNone) {
  auto busy = absl::UnavailableError("queue full");
  busy.SetPayload("type.googleapis.com/google.rpc.ErrorInfo", absl::Cord("x"));
  EXPECT_EQ(exit_code_of(busy), ExitCode::kFailed);
}

// Keeps the job that it is asked for, and refuses it.
class RefusingJobs : public v1::JobService::Service {
 public:
  v1::Job job;

  grpc::Status CreateJob(grpc::ServerContext*, const v1::CreateJobRequest* request,
                         v1::CreateJobResponse*) override {
    job = request->job();
    return {grpc::StatusCode::INVALID_ARGUMENT, "no"};
  }
};

TEST(Artifacts, AreCreatedWithoutTrainingWhereThereIsNoDataSet) {
  RefusingJobs jobs;
  client::FakeServer server({&jobs});
  Context context;
  const std::string create =
      "artifacts create --from-model m --address " + server.address() + " --name dense";
  EXPECT_EQ(run(create, context), ExitCode::kRefused);
  EXPECT_EQ(jobs.job.recipe().recipe(), "dense");
  EXPECT_TRUE(jobs.job.recipe().finetune().has_epochs());
  EXPECT_EQ(jobs.job.recipe().finetune().epochs(), 0);
  EXPECT_EQ(run(create + " --dataset d", context), ExitCode::kRefused);
  EXPECT_FALSE(jobs.job.recipe().has_finetune());
}

class RefusingDatasets : public v1::DatasetService::Service {
 public:
  grpc::Status CreateDataset(grpc::ServerContext*, const v1::CreateDatasetRequest*,
                             v1::CreateDatasetResponse*) override {
    return {grpc::StatusCode::INVALID_ARGUMENT, "report.tsv: row 3 has no label"};
  }
};

TEST(Datasets, ARefusalSaysWhichFlagGaveTheFile) {
  RefusingDatasets datasets;
  client::FakeServer server({&datasets});
  const std::string path = ::testing::TempDir() + "/dev_" + std::to_string(getpid()) + ".tsv";
  std::ofstream(path) << "text\tlabel\n";
  Context context;
  ::testing::internal::CaptureStderr();
  const std::string files = " --train " + path + " --report " + path;
  EXPECT_EQ(run("datasets upload d --address " + server.address() + files, context),
            ExitCode::kRefused);
  EXPECT_THAT(::testing::internal::GetCapturedStderr(),
              HasSubstr("report.tsv: row 3 has no label\n  report.tsv is --report " + path + "\n"));
  std::filesystem::remove(path);
}

// Answers with the next of `versions` at each request, and without outputs.
class Routed : public inference::GRPCInferenceService::Service {
 public:
  std::vector<std::string> versions;
  size_t asked = 0;

  grpc::Status ModelInfer(grpc::ServerContext*, const inference::ModelInferRequest* request,
                          inference::ModelInferResponse* response) override {
    response->set_model_name(request->model_name());
    response->set_model_version(versions[asked++ % versions.size()]);
    return grpc::Status::OK;
  }
};

Json predictions_of_65_texts(Routed& service) {
  const std::string path = ::testing::TempDir() + "/texts_" + std::to_string(getpid());
  std::ofstream out(path);
  for (int i = 0; i < 65; ++i) out << "text " << i << "\n";
  out.close();
  client::FakeServer server({&service});
  Context context;
  ::testing::internal::CaptureStdout();
  const auto code =
      run("predict m --output json --file " + path + " --inference-address " + server.address(),
          context);
  const std::string printed = ::testing::internal::GetCapturedStdout();
  std::filesystem::remove(path);
  EXPECT_EQ(code, ExitCode::kOk);
  return Json::parse(printed);
}

TEST(Predict, NamesTheVersionOfEachPredictionAndOneOfAllWhereThereIsOne) {
  Routed service;
  service.versions = {"first", "second"};
  auto document = predictions_of_65_texts(service);
  EXPECT_EQ(document["predictions"][63]["version"], "first");
  EXPECT_EQ(document["predictions"][64]["version"], "second");
  EXPECT_FALSE(document.contains("version"));
  service.versions = {"first"};
  EXPECT_EQ(predictions_of_65_texts(service)["version"], "first");
}

}  // namespace
}  // namespace espalier::cli
