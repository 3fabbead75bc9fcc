// Every RPC of the service and what it answers, in both modes; server/serving/protocol.md tells
// people the same. Runs in the root of the sources.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <map>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "core/base/files.h"
#include "server/common/status.h"
#include "tests/server/serving/serving_fixture.h"

namespace espalier::server {
namespace {

// Codes by mode, and the request that they answer.
struct RpcRow {
  std::string fixed, managed;  // with --model or --repository; with --control
  std::string request;
};

template <class Request>
std::string named() {
  Request request;
  request.set_name("m");
  return request.SerializeAsString();
}

template <class Request>
std::string model_named() {
  Request request;
  request.set_model_name("m");
  return request.SerializeAsString();
}

const std::map<std::string, RpcRow>& table() {
  static const std::map<std::string, RpcRow> rows = {
      {"ServerLive", {"OK", "OK"}},
      {"ServerReady", {"OK", "OK"}},
      {"ModelReady", {"OK", "OK", named<inference::ModelReadyRequest>()}},
      {"ServerMetadata", {"OK", "OK"}},
      {"ModelMetadata", {"OK", "OK", named<inference::ModelMetadataRequest>()}},
      {"ModelInfer", {"OK", "OK", text_request({"a"}).SerializeAsString()}},
      {"ModelStreamInfer", {"OK", "OK", text_request({"a"}).SerializeAsString()}},
      {"ModelConfig", {"OK", "OK", named<inference::ModelConfigRequest>()}},
      {"ModelStatistics", {"OK", "OK", named<inference::ModelStatisticsRequest>()}},
      {"RepositoryIndex", {"OK", "OK"}},
      {"RepositoryModelLoad",
       {"OK", "FAILED_PRECONDITION", model_named<inference::RepositoryModelLoadRequest>()}},
      {"RepositoryModelUnload",
       {"OK", "FAILED_PRECONDITION", model_named<inference::RepositoryModelUnloadRequest>()}},
      {"SystemSharedMemoryStatus", {"UNIMPLEMENTED", "UNIMPLEMENTED"}},
      {"SystemSharedMemoryRegister", {"UNIMPLEMENTED", "UNIMPLEMENTED"}},
      {"SystemSharedMemoryUnregister", {"UNIMPLEMENTED", "UNIMPLEMENTED"}},
      {"CudaSharedMemoryStatus", {"UNIMPLEMENTED", "UNIMPLEMENTED"}},
      {"CudaSharedMemoryRegister", {"UNIMPLEMENTED", "UNIMPLEMENTED"}},
      {"CudaSharedMemoryUnregister", {"UNIMPLEMENTED", "UNIMPLEMENTED"}},
      {"TraceSetting", {"UNIMPLEMENTED", "UNIMPLEMENTED"}},
      {"LogSettings", {"UNIMPLEMENTED", "UNIMPLEMENTED"}},
  };
  return rows;
}

std::vector<std::string> rpcs() {
  const auto* file = inference::ModelInferRequest::descriptor()->file();
  const auto* service = file->FindServiceByName("GRPCInferenceService");
  std::vector<std::string> names;
  for (int i = 0; i < service->method_count(); ++i) names.push_back(service->method(i)->name());
  return names;
}

// One message there and back, as bytes; streams take it too.
grpc::Status ask(const std::shared_ptr<grpc::Channel>& channel, const std::string& rpc,
                 const std::string& request) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  const grpc::Slice slice(request);
  const grpc::ByteBuffer sent(&slice, 1);
  grpc::ByteBuffer received;
  std::promise<grpc::Status> done;
  stub.UnaryCall(&context, "/inference.GRPCInferenceService/" + rpc, {}, &sent, &received,
                 [&](grpc::Status status) { done.set_value(std::move(status)); });
  return done.get_future().get();
}

// A server of each mode.
class ProtocolTable : public ServingTest {
 protected:
  void SetUp() override {
    ServingTest::SetUp();
    root = ::testing::TempDir() + "protocol_table";
    ASSERT_TRUE(make_folders(root + "/m/1").ok());
    ASSERT_TRUE(write_file(root + "/m/1/config.json", "{}").ok());
    library = std::make_unique<ModelLibrary>(LibraryOptions{.repository = root}, repository);
    fixed = std::make_unique<RepositoryProtocol>(repository, options, metrics, library.get());
    fixed->set_ready(true);
    fixed_service = std::make_unique<InferenceService>(*fixed, metrics);
    auto started = GrpcServer::start({.listen = "127.0.0.1:0", .services = {fixed_service.get()}});
    ASSERT_TRUE(started.ok()) << started.status();
    fixed_server = *std::move(started);
    fixed_channel =
        grpc::CreateChannel(fixed_server->address(), grpc::InsecureChannelCredentials());
  }
  void TearDown() override { std::filesystem::remove_all(root); }

  std::string root;
  std::unique_ptr<ModelLibrary> library;
  std::unique_ptr<RepositoryProtocol> fixed;
  std::unique_ptr<InferenceService> fixed_service;
  std::unique_ptr<GrpcServer> fixed_server;
  std::shared_ptr<grpc::Channel> fixed_channel;
};

TEST_F(ProtocolTable, EveryRpcAnswersAsTheTableSays) {
  for (const std::string& rpc : rpcs()) {
    ASSERT_TRUE(table().contains(rpc)) << rpc << " has no row";
    const RpcRow& row = table().at(rpc);
    for (const auto& [code, there] :
         {std::pair(row.managed, channel), std::pair(row.fixed, fixed_channel)}) {
      // Unloading must not take the model from the next one.
      if (there == fixed_channel) {
        ASSERT_TRUE(library->load("m").ok());
      }
      const grpc::Status status = ask(there, rpc, row.request);
      EXPECT_EQ(code_name(from_grpc(status).code()), code) << rpc << ": " << status.error_message();
      EXPECT_EQ(status.ok(), status.error_message().empty()) << rpc;
    }
  }
  EXPECT_EQ(rpcs().size(), table().size());
}

TEST(ProtocolTableDocument, SaysWhatTheTableSays) {
  const auto text = read_file("server/serving/protocol.md");
  ASSERT_TRUE(text.ok()) << text.status();
  std::map<std::string, RpcRow> told;
  for (const auto& line : absl::StrSplit(*text, '\n')) {
    std::vector<std::string> cells = absl::StrSplit(line, '|');
    for (std::string& cell : cells) absl::StripAsciiWhitespace(&cell);
    if (cells.size() == 6 && table().contains(cells[1])) told[cells[1]] = {cells[2], cells[3]};
  }
  for (const std::string& rpc : rpcs()) {
    EXPECT_EQ(told[rpc].fixed, table().at(rpc).fixed) << rpc;
    EXPECT_EQ(told[rpc].managed, table().at(rpc).managed) << rpc;
  }
}

}  // namespace
}  // namespace espalier::server
