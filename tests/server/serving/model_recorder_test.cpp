#include "server/serving/model_recorder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace espalier::server {
namespace {

using ::testing::HasSubstr;

TEST(ModelRecorder, CountsRowsOfTheRequestAndExitsOfTheirWindows) {
  Metrics metrics("serve");
  ModelRecorder recorder(metrics, "m", 2);
  std::vector<runtime::Answer> windows(3);
  for (runtime::Answer& window : windows) window.exit_layer = 2;
  recorder.request_succeeded(1, windows, {});
  EXPECT_EQ(recorder.statistics().inference_count(), 1u);
  EXPECT_THAT(metrics.text(), HasSubstr("espalier_inference_rows_total{model=\"m\"} 1"));
  EXPECT_THAT(metrics.text(),
              HasSubstr("espalier_inference_exit_layer_total{layer=\"2\",model=\"m\"} 3"));
}

}  // namespace
}  // namespace espalier::server
