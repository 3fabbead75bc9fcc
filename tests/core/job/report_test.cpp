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

// Of a job that made a model smaller, and left early.
Json pruned_report(const Json& asked, double reached) {
  Json report = Json::parse(R"({
    "task": "text-classification", "job": "j", "machine": "m",
    "phases": [{"name": "prune", "curve": [{"step": 1, "loss": 2}, {"step": 2, "loss": 1}]}],
    "dense": {"parameters": 9, "encoder_parameters": 8, "sparsity": 0, "bytes": 36, "macs": 70,
              "precision": "fp32", "latency_ms": {"median": 4, "products": "fp32"},
              "batch_latency_ms": {"median": 80, "rows": 32, "tokens": 128},
              "metric": {"name": "accuracy", "value": 90, "low": 88, "high": 92, "count": 500},
              "layers": [{"heads": [0, 1], "neurons": 8}]},
    "paired_test": {"name": "mcnemar exact", "p": 0.125},
    "constraint": {"asked": 1, "drop": 0.4}})");
  report["compressed"] = report["dense"];
  report["compressed"].update({{"sparsity", 0.5},
                               {"macs_with_exits", 30},
                               {"mean_exit_layer", 0.5},
                               {"exit_threshold", 0.25},
                               {"layers", {{{"heads", {1}}, {"neurons", 4}}}}});
  report["target"] = {{"asked", asked}, {"reached", reached}};
  return report;
}

TEST(ModelCard, HasBothModelsSideBySide) {
  const Json report = pruned_report({{"sparsity", 0.5}}, 0.5);
  const std::string card = model_card(report, "compressed");
  EXPECT_THAT(card, HasSubstr("| | dense | compressed |\n|---|---|---|\n"));
  for (const char* row :
       {"| encoder sparsity | 0.0 % | 50.0 % |", "| MACs an example, all layers | 70 | 70 |",
        "| with early exits |  | 30 |", "| median latency, one row | 4.00 ms | 4.00 ms |",
        "| median latency, 32 x 128 tokens | 80.00 ms | 80.00 ms |",
        "| accuracy | 90.00 (95 % interval 88.00 to 92.00, 500 examples) | 90.00",
        "| exit threshold |  | 0.2500 |"})
    EXPECT_THAT(card, HasSubstr(row));
  for (const char* sentence :
       {"mcnemar exact test, p = 0.12.", "allowed to drop by 1 points; it dropped by 0.40.",
        "](shape.svg)\n", "](curves.svg)\n"})
    EXPECT_THAT(card, HasSubstr(sentence));
}

TEST(ModelCard, SaysWhatWasAskedForAndReached) {
  const auto said = [](const Json& asked, double reached) {
    return model_card(pruned_report(asked, reached), "dense");
  };
  EXPECT_THAT(said({{"sparsity", 0.5}}, 0.5012),
              HasSubstr("Asked for: an encoder sparsity of 50.0 %; reached: 50.1 %."));
  EXPECT_THAT(said({{"size", {{"parameters", 5000}}}}, 4990),
              HasSubstr("Asked for: at most 5000 parameters; reached: 4990."));
  EXPECT_THAT(said({{"size", {{"macs", 5000}}}}, 4990),
              HasSubstr("at most 5000 MACs of the longest input; reached: 4990."));
}

TEST(ModelCard, SaysWhichTimesWereReached) {
  const auto said = [](const Json& asked, double reached) {
    Json report = pruned_report(asked, reached);
    report["target"].update(
        {{"milliseconds", 5}, {"dense_milliseconds", 10.25}, {"rows", 32}, {"tokens", 64}});
    return model_card(report, "compressed");
  };
  EXPECT_THAT(said({{"speedup", {{"factor", 2}}}}, 2.05),
              HasSubstr("Asked for: 2 times the dense model's speed; reached: 2.05 times, 5.00 ms "
                        "where the dense model takes 10.25 ms, for 32 x 64 tokens."));
  EXPECT_THAT(said({{"latency", {{"milliseconds", 6}}}}, 5),
              HasSubstr("Asked for: 6 ms; reached: 5.00 ms where the dense model takes 10.25 ms"));
}

TEST(ModelCard, OfADenseModelHasNothingToCompareOrToShow) {
  EXPECT_THAT(model_card(bf16_report("bf16"), "dense"),
              AllOf(HasSubstr("| | dense |\n|---|---|\n"), Not(HasSubstr("Asked for")),
                    Not(HasSubstr(".svg"))));
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
