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

TEST(ModelRecorder, EveryDurationIsThereBeforeTheFirstRequest) {
  Metrics metrics("serve");
  const inference::ModelStatistics statistics = ModelRecorder(metrics, "m", 2).statistics();
  std::vector<const google::protobuf::FieldDescriptor*> there;
  const inference::InferStatistics& stats = statistics.inference_stats();
  stats.GetReflection()->ListFields(stats, &there);
  EXPECT_EQ(there.size(), 8u);
  EXPECT_EQ(stats.cache_hit().count(), 0u);
}

}  // namespace
}  // namespace espalier::server
