#include "core/job/report.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// Of a dense job in bf16.
Json bf16_report(const char* products) {
  Json report = Json::parse(R"({
    "task": "text-classification", "job": "j", "machine": "m", "phases": [],
    "dense": {"parameters": 5, "encoder_parameters": 4, "sparsity": 0, "bytes": 9,
              "precision": "bf16", "latency_ms": {"median": 1.5}},
    "in_fp32": {},
    "precision_test": {"name": "mcnemar exact", "p": 0.5},
    "precision_cost": {"value": 0.25, "low": -0.5, "high": 1},
    "precision_gap": {"rows": 48, "agreement": 97.9, "mean": 0.01, "max": 0.2}})");
  report["dense"]["latency_ms"]["products"] = products;
  return report;
}

TEST(ModelCard, SaysInWhatTheLatencyWasMeasuredWhereItIsNotThePrecision) {
  EXPECT_THAT(model_card(bf16_report("bf16"), "dense"),
              HasSubstr("| median latency, one row | 1.50 ms |"));
  EXPECT_THAT(model_card(bf16_report("fp32"), "dense"),
              HasSubstr("| 1.50 ms, with products in fp32, which is faster there than bf16 |"));
}

TEST(ModelCard, SaysWhatThePrecisionCost) {
  EXPECT_THAT(model_card(bf16_report("bf16"), "dense"),
              AllOf(HasSubstr("| what the precision cost | 0.25 points (95 % interval -0.50 to "
                              "1.00) |"),
                    HasSubstr("| mcnemar exact test, p = 0.5 |"),
                    HasSubstr("| 97.9 % the same; logits differ by 0.01, at most by 0.2, on 48 "
                              "rows |")));
}

TEST(ModelCard, HasNoAgreementForValues) {
  Json report = bf16_report("bf16");
  report["precision_gap"].erase("agreement");
  EXPECT_THAT(model_card(report, "dense"),
              AllOf(HasSubstr("| beside fp32's answers | logits differ by 0.01"),
                    Not(HasSubstr("the same"))));
}

TEST(ReportColumn, HasOnlyFiguresThatThePrecisionChangesBesideAnother) {
  Column column;
  column.precision = "fp32";
  column.latency.products = "fp32";
  column.exit_threshold = 0.5;
  const Json json = figures_json(column);
  for (const char* other : {"parameters", "sparsity", "layers", "macs", "exit_threshold"})
    EXPECT_FALSE(json.contains(other)) << other;
  for (const char* own : {"bytes", "precision", "latency_ms", "mean_exit_layer", "macs_with_exits"})
    EXPECT_TRUE(json.contains(own)) << own;
}

}  // namespace
}  // namespace espalier
