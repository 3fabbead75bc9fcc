// The protocol over a real connection, in front of an engine without weights that serves "m" as
// version "one", alias "stable".
#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "server/common/grpc_server.h"
#include "server/serving/inference_service.h"
#include "tests/server/serving/infer_testing.h"
#include "tests/testing/fake_engine.h"

namespace espalier::server {

using Stub = inference::GRPCInferenceService::Stub;

class ServingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    repository.apply({{"m", {{"stable", "x/one"}}}});
    protocol.set_ready(true);
    auto started = GrpcServer::start(
        {.listen = "127.0.0.1:0", .services = {&service}, .max_message_bytes = 64 << 20});
    ASSERT_TRUE(started.ok()) << started.status();
    server = *std::move(started);
    channel = grpc::CreateChannel(server->address(), grpc::InsecureChannelCredentials());
    stub = inference::GRPCInferenceService::NewStub(channel);
  }

  grpc::Status infer(const InferRequest& request, inference::ModelInferResponse& response) {
    grpc::ClientContext context;
    return stub->ModelInfer(&context, request, &response);
  }
  template <class Request, class Response>
  grpc::Status call(grpc::Status (inference::GRPCInferenceService::Stub::*method)(
                        grpc::ClientContext*, const Request&, Response*),
                    const Request& request, Response& response) {
    grpc::ClientContext context;
    return ((*stub).*method)(&context, request, &response);
  }

  Metrics metrics{"serve"};
  ModelLabels labels;
  runtime::Executor executor;
  runtime::BatcherOptions options{.max_queue_rows = 5000};
  std::function<absl::Status(std::span<const runtime::Row>)> on_predict;
  std::atomic<int> encoded{0};
  ModelRepository repository{[this](const std::string& name, const DesiredRoute& route) {
    auto engine = std::make_unique<espalier::testing::FakeEngine>();
    engine->on_encode = [this] { ++encoded; };
    engine->on_predict = [this](std::span<const runtime::Row> rows) {
      return on_predict ? on_predict(rows) : absl::OkStatus();
    };
    return Model::make(name, route.version(), std::move(engine), options, executor, metrics,
                       labels);
  }};
  RepositoryProtocol protocol{repository, options, metrics};
  InferenceService service{protocol, metrics};
  std::unique_ptr<GrpcServer> server;
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<inference::GRPCInferenceService::Stub> stub;
};

}  // namespace espalier::server
