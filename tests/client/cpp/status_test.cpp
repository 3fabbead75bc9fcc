#include "client/cpp/status.h"

#include <gmock/gmock.h>
#include <grpcpp/support/status.h>

#include "google/rpc/status.pb.h"

namespace espalier::client {
namespace {

const Peer kPeer{"espalierd", "127.0.0.1:7400", "start it with 'espalier up'"};

grpc::Status rich_error() {
  google::rpc::Status rich;
  rich.set_code(3);
  google::rpc::ErrorInfo info;
  info.set_reason("BAD_RECIPE");
  rich.add_details()->PackFrom(info);
  google::rpc::BadRequest request;
  auto& violation = *request.add_field_violations();
  violation.set_field("job.recipe.target.sparsity");
  violation.set_description("is 1.5");
  rich.add_details()->PackFrom(request);
  return {grpc::StatusCode::INVALID_ARGUMENT, "no", rich.SerializeAsString()};
}

TEST(Status, KeepsCodeAndMessage) {
  auto status = to_status({grpc::StatusCode::NOT_FOUND, "no model \"x\""}, kPeer);
  EXPECT_EQ(status, absl::NotFoundError("no model \"x\""));
}

TEST(Status, DecodesReasonAndFieldViolations) {
  auto status = to_status(rich_error(), kPeer);
  EXPECT_EQ(error_reason(status), "BAD_RECIPE");
  ASSERT_EQ(field_violations(status).size(), 1u);
  EXPECT_EQ(field_violations(status)[0].field, "job.recipe.target.sparsity");
  EXPECT_EQ(field_violations(status)[0].description, "is 1.5");
}

TEST(Status, OfAnErrorWithoutDetailsHasNone) {
  EXPECT_EQ(error_reason(absl::InternalError("x")), "");
  EXPECT_TRUE(field_violations(absl::InternalError("x")).empty());
}

TEST(Status, SaysHowToStartAServerThatIsNotThere) {
  auto status = to_status({grpc::StatusCode::UNAVAILABLE, "connection refused"}, kPeer);
  EXPECT_EQ(
      status.message(),
      "cannot reach espalierd at 127.0.0.1:7400: connection refused; start it with 'espalier up'");
}

TEST(Status, KeepsWhatABusyServerSays) {
  google::rpc::Status rich;
  rich.add_details()->PackFrom(google::rpc::ErrorInfo());
  auto status =
      to_status({grpc::StatusCode::UNAVAILABLE, "queue full", rich.SerializeAsString()}, kPeer);
  EXPECT_EQ(status.message(), "queue full");
}

}  // namespace
}  // namespace espalier::client
