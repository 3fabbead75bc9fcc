#include "server/common/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "core/base/build.h"
#include "server/common/serve.h"

namespace espalier::server {
namespace {

using testing::HasSubstr;

TEST(Metrics, TheSameNameAndLabelsAreTheSameMetric) {
  Metrics metrics("test");
  metrics.counter("things_total", "Things.", {{"kind", "a"}}).Increment();
  metrics.counter("things_total", "Things.", {{"kind", "a"}}).Increment();
  metrics.counter("things_total", "Things.", {{"kind", "b"}}).Increment();
  EXPECT_THAT(metrics.text(), HasSubstr("things_total{kind=\"a\"} 2\n"));
  EXPECT_THAT(metrics.text(), HasSubstr("things_total{kind=\"b\"} 1\n"));
}

TEST(Metrics, BuildInfoNamesVersionAndComponent) {
  EXPECT_THAT(Metrics("worker").text(),
              HasSubstr(absl::StrCat("espalier_build_info{commit=\"", commit(),
                                     "\",component=\"worker\",version=\"", version(), "\"} 1\n")));
}

TEST(Serve, CallsAreCountedByCode) {
  Metrics metrics("test");
  EXPECT_TRUE(serve("Get", metrics, nullptr, [] { return absl::OkStatus(); }).ok());
  auto status = serve("Get", metrics, nullptr, [] { return absl::NotFoundError("no such job"); });
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  auto text = metrics.text();
  EXPECT_THAT(text, HasSubstr("espalier_rpc_requests_total{code=\"OK\",method=\"Get\"} 1\n"));
  EXPECT_THAT(text,
              HasSubstr("espalier_rpc_requests_total{code=\"NOT_FOUND\",method=\"Get\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("espalier_rpc_duration_seconds_count{method=\"Get\"} 2\n"));
}

TEST(Serve, AnExceptionIsInternal) {
  Metrics metrics("test");
  auto status =
      serve("Get", metrics, nullptr, []() -> absl::Status { throw std::runtime_error("boom"); });
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_THAT(status.error_message(), HasSubstr("boom"));
}

TEST(Serve, ATimerThatDiesUnfinishedCountsAsCancelledAndAFinishedOneOnce) {
  Metrics metrics("test");
  { RpcTimer timer("Watch", metrics, nullptr); }
  {
    RpcTimer timer("Infer", metrics, nullptr);
    timer.finish(absl::OkStatus());
    timer.finish(absl::OkStatus());
  }
  EXPECT_THAT(metrics.text(), HasSubstr("{code=\"CANCELLED\",method=\"Watch\"} 1\n"));
  EXPECT_THAT(metrics.text(), HasSubstr("{code=\"OK\",method=\"Infer\"} 1\n"));
}

}  // namespace
}  // namespace espalier::server
