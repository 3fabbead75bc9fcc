#include "server/common/log.h"

#include <gtest/gtest.h>

#include "inference/grpc_service.pb.h"

namespace espalier::server {
namespace {

class Log : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { setup_logging("log_test"); }
};

TEST_F(Log, SaysNothingOfRequestsThatAreNoUtf8) {
  ::testing::internal::CaptureStderr();
  inference::ModelReadyRequest request;
  EXPECT_FALSE(request.ParseFromString("\x0a\x01\xff"));  // field 1, of one byte
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST_F(Log, SaysWhenWeWriteWhatIsNoUtf8) {
  ::testing::internal::CaptureStderr();
  inference::ModelReadyRequest request;
  request.set_name("\xff");
  request.SerializeAsString();
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("UTF-8"), std::string::npos);
}

}  // namespace
}  // namespace espalier::server
