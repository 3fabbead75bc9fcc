// Tables, figures, reports, routes.
#include <gmock/gmock.h>

#include "client/cli/artifact_text.h"
#include "client/cli/class_weights.h"
#include "client/cli/output.h"
#include "client/cli/report_text.h"
#include "client/cli/routes.h"
#include "client/cli/table.h"
#include "client/cli/transfer_view.h"
#include "google/rpc/status.pb.h"

namespace espalier::cli {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Table, AlignsTextLeftAndFiguresRight) {
  EXPECT_EQ(table({"NAME", "N"}, {{"a", "7"}, {"long", "12"}}), "NAME   N\na      7\nlong  12\n");
}
TEST(Table, CountsCharactersNotBytes) {
  EXPECT_EQ(table({"A", "B"}, {{"é", "x"}, {"ee", "y"}}), "A   B\né   x\nee  y\n");
}
TEST(Table, OfNothingIsItsHead) { EXPECT_EQ(table({"A", "B"}, {}), "A  B\n"); }

TEST(Figures, AreShort) {
  EXPECT_EQ(count_text(22713216), "22.7 M");
  EXPECT_EQ(count_text(872), "872");
  EXPECT_EQ(bytes_text(90 << 20), "90.0 MiB");
  EXPECT_EQ(bytes_text(17), "17 B");
  EXPECT_EQ(duration_text(75), "1:15");
  EXPECT_EQ(duration_text(3700), "1:01:40");
  EXPECT_EQ(number_text(0.41234), "0.4123");
  EXPECT_EQ(number_text(1e-5), "1e-05");
  EXPECT_EQ(number_text(340), "340");
}

TEST(TransferLine, TellsFileAndShare) {
  EXPECT_EQ(transfer_line({"a.txt", 1 << 20, 4 << 20}), "a.txt  1.0 MiB of 4.0 MiB  25 %");
}

TEST(Report, PutsDenseAndCompressedSideBySide) {
  auto text = report_text(Json::parse(R"({
    "dense": {"parameters": 22713216, "macs": 6e8, "latency_ms": {"median": 4.2},
              "metric": {"name": "accuracy", "value": 0.91, "low": 0.89, "high": 0.93, "count": 872}},
    "compressed": {"parameters": 12000000, "latency_ms": {"median": 1.5}, "mean_exit_layer": 3.25,
                   "metric": {"name": "accuracy", "value": 0.9}},
    "seed": 1, "splits": {"train": {"rows": 10}}})"));
  EXPECT_EQ(text,
            "                                      dense  compressed\n"
            "parameters                           22.7 M      12.0 M\n"
            "MACs an example                     600.0 M           -\n"
            "latency, median                     4.20 ms     1.50 ms\n"
            "accuracy         0.91 (0.89 to 0.93, n 872)         0.9\n"
            "mean exit layer                           -        3.25\n"
            "\n"
            "seed: 1\n"
            "splits:\n"
            "  train:\n"
            "    rows: 10\n");
}

TEST(Report, OfADenseModelHasOneColumn) {
  auto text = report_text(Json::parse(R"({"dense": {"parameters": 5}})"));
  EXPECT_THAT(text, HasSubstr("dense"));
  EXPECT_THAT(text, Not(HasSubstr("compressed")));
}

TEST(Report, HasAColumnForWhatAModelWasWithoutItsPrecision) {
  auto text = report_text(Json::parse(R"({
    "dense": {"bytes": 59102104, "metric": {"name": "accuracy", "value": 87.3}},
    "in_fp32": {"bytes": 90866008, "metric": {"name": "accuracy", "value": 87}}})"));
  EXPECT_EQ(text,
            "             dense   in fp32\n"
            "size      56.4 MiB  86.7 MiB\n"
            "accuracy      87.3        87\n");
}

TEST(Report, SaysInWhatALatencyWasMeasuredWhereItIsNotThePrecision) {
  auto text = report_text(Json::parse(R"({
    "dense": {"precision": "fp32", "latency_ms": {"median": 4.2, "products": "fp32"}},
    "compressed": {"precision": "bf16", "latency_ms": {"median": 1.5, "products": "fp32"}}})"));
  EXPECT_THAT(text, HasSubstr("latency, median  4.20 ms  1.50 ms in fp32\n"));
}

TEST(Report, DrawsWhatIsLeftOfEachLayer) {
  auto text = report_text(Json::parse(R"({
    "dense": {"hidden": 8, "layers": [{"heads": [0, 1, 2], "neurons": 40},
                                      {"heads": [0, 1, 2], "neurons": 40}]},
    "compressed": {"hidden": 8, "layers": [{"heads": [0, 2], "neurons": 10},
                                           {"heads": [], "neurons": 40}]},
    "seed": 1})"));
  EXPECT_EQ(text,
            "             dense  compressed\n"
            "hidden size      8           8\n"
            "\n"
            " 1  heads #.# 2/3  neurons #####............... 10/40\n"
            " 2  heads ... 0/3  neurons #################### 40/40\n"
            "\n"
            "seed: 1\n");
}

TEST(Report, CountsThePointsOfATrainingAndShowsOtherCurves) {
  auto text = report_text(Json::parse(R"({"phases": [
    {"name": "prune", "curve": [{"step": 1, "loss": 2}, {"step": 2, "loss": 1}]},
    {"name": "calibrate", "curve": [{"threshold": 0.5}]}]})"));
  EXPECT_THAT(text, HasSubstr("curve: 2 points, drawn in curves.svg\n"));
  EXPECT_THAT(text, Not(HasSubstr("loss")));
  EXPECT_THAT(text, HasSubstr("threshold: 0.5\n"));
}

TEST(Report, SurvivesAnyJson) {
  EXPECT_EQ(report_text(Json::object()), "");
  EXPECT_EQ(report_text(Json::parse(R"({"a": [1, 2], "b": [{"c": null}], "dense": 3})")),
            "a: 1, 2\nb:\n  -\n    c: -\ndense: 3\n");
}

TEST(Artifacts, ShowThePrecisionThatTheirSummaryHas) {
  v1::ListArtifactsResponse list;
  v1::Artifact& narrow = *list.add_artifacts();
  narrow.set_name("projects/default/artifacts/eighth");
  (*narrow.mutable_summary()->mutable_fields())["precision"].set_string_value("int8");
  list.add_artifacts()->set_name("projects/default/artifacts/old");
  EXPECT_THAT(artifacts_text(list), ContainsRegex("PRECISION.*\n *eighth +int8 "));
  EXPECT_THAT(artifact_text(narrow), HasSubstr("precision  int8\n"));
  EXPECT_THAT(artifact_text(list.artifacts(1)), Not(HasSubstr("precision")));
}

TEST(Route, IsAliasArtifactAndWeight) {
  auto route = parse_route("canary=first:0.1");
  ASSERT_TRUE(route.ok());
  EXPECT_EQ(route->alias(), "canary");
  EXPECT_EQ(route->artifact(), "first");
  EXPECT_EQ(route->weight(), 0.1);
  EXPECT_EQ(parse_route("stable=first")->weight(), 1);
  EXPECT_EQ(exit_code_of(parse_route("first").status()), ExitCode::kUsage);
  EXPECT_FALSE(parse_route("a=b:heavy").ok());
}

TEST(ClassWeights, AreBalancedOrALabelAndANumber) {
  EXPECT_TRUE(parse_class_weights("balanced")->balanced());
  const auto named = parse_class_weights("positive=3,a=b=0.5");
  ASSERT_TRUE(named.ok()) << named.status();
  EXPECT_FALSE(named->balanced());
  EXPECT_EQ(named->weights().at("positive"), 3);
  EXPECT_EQ(named->weights().at("a=b"), 0.5);
  EXPECT_EQ(class_weights_text(*named), "a=b 0.5, positive 3");
  for (const char* wrong : {"", "positive", "positive=", "=3", "positive=many", "a=1,", "a=1,a=2"})
    EXPECT_EQ(exit_code_of(parse_class_weights(wrong).status()), ExitCode::kUsage) << wrong;
}

TEST(ErrorText, ShowsMessageAndFieldViolations) {
  google::rpc::BadRequest request;
  auto& violation = *request.add_field_violations();
  violation.set_field("job.recipe.target.sparsity");
  violation.set_description("must be below 1");
  auto status = absl::InvalidArgumentError("sparsity is 1.5");
  status.SetPayload("type.googleapis.com/google.rpc.BadRequest",
                    absl::Cord(request.SerializeAsString()));
  EXPECT_EQ(error_text(status),
            "espalier: sparsity is 1.5\n  job.recipe.target.sparsity: must be below 1\n");
}

TEST(JsonText, KeepsTheProtosNames) {
  v1::Artifact artifact;
  artifact.set_weights_sha256("ab");
  EXPECT_EQ(to_json(artifact)["weights_sha256"], "ab");
}

}  // namespace
}  // namespace espalier::cli
