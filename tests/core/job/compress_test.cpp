// Whole jobs on a model and a data set small enough for seconds.
#include "core/job/compress.h"

#include <filesystem>
#include <map>

#include "absl/strings/str_cat.h"
#include "core/artifact/artifact.h"
#include "core/base/files.h"
#include "core/base/guard.h"
#include "core/runtime/engine.h"
#include "core/runtime/packed_backend.h"
#include "core/spec/catalogue.h"
#include "core/spec/recipe.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/spec/scratch.h"
#include "tests/testing/tiny_model.h"

namespace espalier {
namespace {

using ::testing::HasSubstr;

constexpr int kReportRows = 48;

std::string vocabulary() {
  std::string out = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  for (int i = 5; i < 40; ++i) absl::StrAppend(&out, "w", i, "\n");
  return out;
}

// Texts of 2 to 9 words, labelled by how often one of them occurs.
std::string table(int rows, uint64_t seed) {
  Random random(seed);
  std::string out = "text\tlabel\n";
  for (int i = 0; i < rows; ++i) {
    size_t sevens = 0;
    for (uint64_t words = 2 + random.below(8); words > 0; --words) {
      const uint64_t word = random.below(5) == 0 ? 7 : 5 + random.below(35);
      sevens += word == 7 ? 1 : 0;
      absl::StrAppend(&out, "w", word, words > 1 ? " " : "");
    }
    absl::StrAppend(&out, "\t", std::string(1, "abc"[std::min<size_t>(sevens, 2)]), "\n");
  }
  return out;
}

Json training(int steps) {
  return {{"steps", steps}, {"batch_size", 16}, {"micro_batch_size", 16}, {"learning_rate", 2e-3}};
}

Json recipe_of(Precision precision, bool compresses) {
  Json written = {
      {"recipe", "dense"}, {"precision", precision_name(precision)}, {"finetune", training(30)}};
  if (compresses) {
    written["recipe"] = "auto";
    written["target"] = {{"sparsity", 0.4}};
    written["pruner"] = {{"name", "taylor"}};
    written["exit"] = {{"name", "deebert"}};
    for (const char* phase : {"prune", "recover", "exits"}) written[phase] = training(12);
  }
  const Catalogue catalogue = value_or_throw(Catalogue::read(build_catalogue()));
  return value_or_throw(resolve_recipe(written, catalogue));
}

class SmallJob : public ::testing::Test {
 protected:
  SmallJob() {
    scratch_.write("tokenizer/vocab.txt", vocabulary());
    write_model(testing::tiny_model());
    DatasetSpec data;
    data.folder = scratch_.path() + "/data";
    uint64_t seed = 0;
    for (const auto& [split, rows] : std::map<std::string, int>{
             {"train", 160}, {"select", 32}, {"calibrate", 32}, {"report", kReportRows}}) {
      data.splits[split] = split + ".tsv";
      scratch_.write("data/" + data.splits[split], table(rows, ++seed));
    }
    input_.dataset = data;
    input_.checkpoint_folder = scratch_.path() + "/checkpoint";
    input_.output_folder = scratch_.path() + "/out";
    input_.job_name = "small";
  }

  // The job's model folder, which an artifact is, too.
  void write_model(const Model& model, const std::vector<std::string>& labels = {"a", "b", "c"}) {
    ArtifactSpec spec;
    spec.task = "text-classification";
    spec.label_names = labels;
    spec.max_length = 32;
    Golden golden;
    golden.inputs.push_back(testing::tiny_examples(1).input(0).copy());
    golden.logits = at::zeros({1, 3});
    input_.model_folder = scratch_.path() + "/model";
    throw_if_error(
        save_artifact(input_.model_folder, model, spec, scratch_.path() + "/tokenizer", golden));
  }

  // report.json of the first artifact.
  Json run(Precision precision, bool compresses) {
    input_.recipe = recipe_of(precision, compresses);
    JobHooks hooks;
    output_ = value_or_throw(compress(input_, hooks));
    return value_or_throw(read_json(output_.artifacts.front().folder + "/report.json"));
  }

  const testing::Scratch scratch_;
  JobInput input_;
  JobOutput output_;
};

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
