#include "server/common/grpc_server.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include "espalier/v1/method.grpc.pb.h"

namespace espalier::server {
namespace {

class EmptyMethods : public v1::MethodService::Service {
  grpc::Status ListMethods(grpc::ServerContext*, const v1::ListMethodsRequest*,
                           v1::ListMethodsResponse* response) override {
    response->add_methods()->set_name("magnitude");
    return grpc::Status::OK;
  }
};

grpc::Status list(const std::string& address, v1::ListMethodsResponse& response) {
  auto stub =
      v1::MethodService::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  return stub->ListMethods(&context, {}, &response);
}

TEST(GrpcServer, ServesOnTheBoundPort) {
  EmptyMethods methods;
  auto server = GrpcServer::start({.listen = "localhost:0", .services = {&methods}});
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_GT((*server)->port(), 0);
  (*server)->set_ready(true);
  v1::ListMethodsResponse response;
  EXPECT_TRUE(list((*server)->address(), response).ok());
  EXPECT_EQ(response.methods_size(), 1);
}

TEST(GrpcServer, ASecondServerOnTheSamePortIsRefused) {
  EmptyMethods methods;
  auto first = GrpcServer::start({.listen = "127.0.0.1:0", .services = {&methods}});
  ASSERT_TRUE(first.ok());
  auto second = GrpcServer::start({.listen = (*first)->address(), .services = {&methods}});
  EXPECT_TRUE(absl::IsUnavailable(second.status()));
  std::string message(second.status().message());
  EXPECT_THAT(message, testing::HasSubstr("cannot listen on " + (*first)->address()));
  EXPECT_THAT(message, testing::HasSubstr("in use"));
  EXPECT_THAT(message, testing::HasSubstr("choose another with --listen"));
}

TEST(GrpcServer, ItsPortIsFreeAfterShutdown) {
  EmptyMethods methods;
  auto first = GrpcServer::start({.listen = "127.0.0.1:0", .services = {&methods}});
  ASSERT_TRUE(first.ok());
  std::string address = (*first)->address();
  (*first)->shutdown(std::chrono::milliseconds(100));
  (*first)->shutdown(std::chrono::milliseconds(100));
  EXPECT_TRUE(GrpcServer::start({.listen = address, .services = {&methods}}).ok());
}

}  // namespace
}  // namespace espalier::server
