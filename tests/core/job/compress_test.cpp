#include <filesystem>

#include "core/picture/pictures.h"
#include "core/runtime/engine.h"
#include "core/runtime/packed_backend.h"
#include "gmock/gmock.h"
#include "tests/core/job/small_job.h"

namespace espalier {
namespace {

using ::testing::HasSubstr;

// Weights that are not 0, biases and norms in any case.
int64_t nonzero_in(const Model& model) {
  int64_t out = 0;
  model.for_each([&](const std::string& name, const Tensor& tensor) {
    if (!name.starts_with("layers.")) return;
    out += tensor.dim() == 1 ? tensor.numel() : tensor.count_nonzero().item<int64_t>();
  });
  return out;
}

class JobInAPrecision : public SmallJob,
                        public ::testing::WithParamInterface<std::pair<Precision, bool>> {};

TEST_P(JobInAPrecision, PublishesWhatItMeasuredAndWhatThatCost) {
  const auto [precision, compresses] = GetParam();
  const Json report = run(precision, compresses);
  const std::string folder = output_.artifacts.front().folder;
  EXPECT_EQ(output_.artifacts.size(), compresses ? 2u : 1u);
  EXPECT_FALSE(std::filesystem::exists(input_.output_folder + "/in_fp32"));
  const Json &own = report.at(compresses ? "compressed" : "dense"), &exact = report.at("in_fp32");
  EXPECT_EQ(own.at("precision").get<std::string>(), precision_name(precision));
  EXPECT_EQ(exact.at("precision").get<std::string>(), "fp32");
  EXPECT_LT(own.at("bytes").get<int64_t>(), exact.at("bytes").get<int64_t>());
  EXPECT_EQ(own.contains("exit_threshold"), compresses);
  for (const char* same :
       {"parameters", "encoder_nonzero", "sparsity", "macs", "layers", "exit_threshold"})
    EXPECT_FALSE(exact.contains(same)) << same;

  const Precision products = runtime::products_of(precision, at::kCPU);
  EXPECT_EQ(own.at("latency_ms").at("products").get<std::string>(), precision_name(products));
  EXPECT_EQ(exact.at("latency_ms").at("products").get<std::string>(), "fp32");
  EXPECT_TRUE(runtime::Engine::load(folder).ok());

  const Model stored = value_or_throw(load_artifact(folder)).model;
  EXPECT_EQ(own.at("encoder_nonzero").get<int64_t>(), nonzero_in(stored));

  const Json &cost = report.at("precision_cost"), &gap = report.at("precision_gap");
  const double value = cost.at("value");
  EXPECT_NEAR(
      value,
      exact.at("metric").at("value").get<double>() - own.at("metric").at("value").get<double>(),
      1e-9);
  EXPECT_LE(cost.at("low").get<double>(), value);
  EXPECT_GE(cost.at("high").get<double>(), value);
  EXPECT_TRUE(report.at("precision_test").contains("p"));
  EXPECT_EQ(gap.at("rows").get<int>(), kReportRows);
  EXPECT_GE(gap.at("agreement").get<double>(), 75);
  EXPECT_GT(gap.at("mean").get<double>(), 0);
  EXPECT_GE(gap.at("max").get<double>(), gap.at("mean").get<double>());
  EXPECT_THAT(*read_file(folder + "/README.md"), HasSubstr("what the precision cost"));
}

INSTANTIATE_TEST_SUITE_P(All, JobInAPrecision,
                         ::testing::Values(std::pair(Precision::kBf16, false),
                                           std::pair(Precision::kBf16, true),
                                           std::pair(Precision::kInt8, false),
                                           std::pair(Precision::kInt8, true)));

TEST_F(SmallJob, InFp32HasNothingToCompareItWith) {
  const Json report = run(Precision::kFp32, false);
  for (const char* no : {"in_fp32", "precision_gap", "precision_cost", "precision_test"})
    EXPECT_FALSE(report.contains(no)) << no;
  EXPECT_EQ(report.at("dense").at("sparsity").get<double>(), 0);
}

TEST_F(SmallJob, DrawsItsReportBesideIt) {
  const Json report = run(Precision::kFp32, true);
  for (const ArtifactOutput& artifact : output_.artifacts) {
    for (const Picture& one : pictures_of(report))
      EXPECT_EQ(value_or_throw(read_file(artifact.folder + "/" + one.file)), one.svg);
  }
  EXPECT_EQ(pictures_of(report).size(), 2u);
  for (const Json& phase : report.at("phases")) {
    if (!phase.contains("learning_rate")) continue;  // no training
    const Json& curve = phase.at("curve");
    EXPECT_EQ(curve.size(), phase.at("steps").get<size_t>()) << phase.at("name");
    EXPECT_EQ(curve.back().at("loss"), phase.at("loss")) << phase.at("name");
    EXPECT_EQ(curve.back().contains("select_metric"), phase.at("name") != "exits");
  }
}

TEST_F(SmallJob, WithoutADataSetSaysHowFarThePrecisionMovedTheAnswers) {
  input_.dataset.reset();
  const Json report = run(Precision::kInt8, false);
  EXPECT_EQ(report.at("precision_gap").at("rows").get<int>(), 3);
  EXPECT_GT(report.at("precision_gap").at("max").get<double>(), 0);
  EXPECT_FALSE(report.contains("precision_cost"));
  EXPECT_THAT(*read_file(output_.artifacts.front().folder + "/README.md"),
              HasSubstr("beside fp32's answers"));
}

TEST_F(SmallJob, SaysThatAFreshHeadTakesThePlaceOfOneWithOtherLabels) {
  write_model(testing::tiny_model(), {"x", "y", "z"});
  input_.recipe = recipe_of(Precision::kFp32, false);
  std::vector<std::string> words;
  JobHooks hooks;
  hooks.progress = [&](const JobProgress& at) {
    if (!at.message.empty()) words.push_back(absl::StrCat(at.phase, ": ", at.message));
  };
  ASSERT_TRUE(compress(input_, hooks).ok());
  EXPECT_THAT(words, ::testing::ElementsAre(
                         "finetune: a fresh head is trained: the model's head "
                         "(text-classification) has 3 outputs (x, y, z) and the data set "
                         "(text-classification) needs 3 outputs (a, b, c)"));
}

TEST_F(SmallJob, SaysNothingOfAHeadThatIsKept) {
  input_.recipe = recipe_of(Precision::kFp32, false);
  JobHooks hooks;
  hooks.progress = [](const JobProgress& at) { EXPECT_EQ(at.message, ""); };
  EXPECT_TRUE(compress(input_, hooks).ok());
}

// One activation of each token is so large that 8 bits leave nothing of the others, and it is
// multiplied by 0: fp32 does not see it, and int8 sees nothing else.
TEST_F(SmallJob, RefusesAPrecisionThatTheModelDoesNotStand) {
  Model model = testing::tiny_model();
  for (Layer& layer : model.layers) {
    layer.value.bias.select(0, 0).fill_(10000);
    layer.output.weight.select(1, 0).zero_();
    layer.up.bias.select(0, 0).fill_(10000);
    layer.down.weight.select(1, 0).zero_();
  }
  write_model(model);
  auto status_in = [&](Precision precision) {
    input_.recipe = recipe_of(precision, false);
    input_.recipe["finetune"].update({{"steps", 0}, {"epochs", 0}});
    return compress(input_, {}).status();
  };
  const absl::Status status = status_in(Precision::kInt8);
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("does not stand the precision int8"));
  EXPECT_TRUE(status_in(Precision::kFp32).ok());
}

}  // namespace
}  // namespace espalier
