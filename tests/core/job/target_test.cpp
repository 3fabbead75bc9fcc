// Jobs that aim at something, and what they reach.
#include <gmock/gmock.h>

#include <filesystem>

#include "core/job/latency.h"
#include "tests/core/job/small_job.h"

namespace espalier {
namespace {

using ::testing::HasSubstr;

Json pruning(const Json& target, const char* pruner, const Json& distillers = {}) {
  Json written = {{"recipe", "auto"},
                  {"target", target},
                  {"pruner", {{"name", pruner}}},
                  {"exit", {{"name", "none"}}}};
  if (!distillers.is_null()) written["distillers"] = distillers;
  for (const char* phase : {"finetune", "prune", "recover"}) written[phase] = training(16);
  return resolved(written);
}

class Target : public SmallJob, public ::testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Pruners, Target,
                         ::testing::Values("taylor", "cofi", "fisher", "ziplm", "dynabert"));

TEST_P(Target, OfMultiplyAccumulatesIsReached) {
  const double dense = count(testing::tiny_config(), 32).macs;
  const Json report = run(pruning({{"size", {{"macs", dense / 2}}}}, GetParam()));
  const double reached = report.at("target").at("reached");
  EXPECT_LE(reached, dense / 2);
  EXPECT_GE(reached, dense * 0.4);
}

TEST_P(Target, OfParametersIsReachedEmbeddingsAndAll) {
  const double dense = count(testing::tiny_config(), 1).parameters;
  const Json report = run(pruning({{"size", {{"parameters", dense * 0.6}}}}, GetParam()));
  EXPECT_LE(report.at("target").at("reached").get<double>(), dense * 0.6);
  EXPECT_GE(report.at("target").at("reached").get<double>(), dense * 0.5);
  EXPECT_EQ(report.at("target").at("reached"), report.at("compressed").at("parameters"));
}

TEST_P(Target, OfBytesIsReachedByTheFileInItsPrecision) {
  const Json dense = run(pruning({{"sparsity", 0.1}}, "taylor")).at("dense");
  const double asked = dense.at("bytes").get<double>() * 0.7;
  for (const char* precision : {"fp32", "int8"}) {
    Json recipe = pruning({{"size", {{"bytes", asked}}}}, GetParam());
    recipe["precision"] = precision;
    const Json report = run(resolved(recipe));
    const double reached = report.at("target").at("reached");
    EXPECT_EQ(reached, report.at("compressed").at("bytes").get<double>());
    EXPECT_LE(reached, asked) << precision;
    EXPECT_EQ(reached, static_cast<double>(std::filesystem::file_size(
                           output_.artifacts.front().folder + "/model.safetensors")));
  }
}

// Batches large enough to take milliseconds; how near the times come is meet_time_test's.
TEST_P(Target, OfATimeIsMeasuredAndTold) {
  const Json report = run(pruning(
      {{"speedup", {{"factor", 1.1}, {"profile", {{"batch", 256}, {"length", 30}}}}}}, GetParam()));
  const Json& target = report.at("target");
  EXPECT_EQ(target.at("rows").get<int>(), 256);
  EXPECT_EQ(target.at("tokens").get<int>(), 30);
  EXPECT_NEAR(
      target.at("reached").get<double>(),
      target.at("dense_milliseconds").get<double>() / target.at("milliseconds").get<double>(),
      1e-9);
  const Json& phases = report.at("phases");
  EXPECT_EQ(phases[0].at("name").get<std::string>(), "measure");
  EXPECT_GT(phases[0].at("table").at("ffn_ms").back().back().get<double>(), 0);
  EXPECT_GE(phases[2].at("times").size(), 1u);
  EXPECT_LT(report.at("compressed").at("macs").get<double>(),
            report.at("dense").at("macs").get<double>());
}

TEST_F(SmallJob, RefusesATimeBelowTheFloorBeforeItTrains) {
  input_.recipe = pruning({{"latency", {{"milliseconds", 1e-6}}}}, "taylor");
  std::vector<std::string> phases;
  JobHooks hooks;
  hooks.progress = [&](const JobProgress& at) { phases.push_back(at.phase); };
  const absl::Status status = compress(input_, hooks).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("ms without any layer"));
  EXPECT_THAT(phases, ::testing::Each("measure"));
}

// Before anything is trained.
absl::Status refused(const JobInput& input) {
  std::vector<std::string> phases;
  JobHooks hooks;
  hooks.progress = [&](const JobProgress& at) { phases.push_back(at.phase); };
  const absl::Status status = compress(input, hooks).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(phases, ::testing::IsEmpty());
  return status;
}

class Refusal : public SmallJob,
                public ::testing::WithParamInterface<std::pair<Json, const char*>> {};
INSTANTIATE_TEST_SUITE_P(
    Recipes, Refusal,
    ::testing::Values(
        std::pair(pruning({{"size", {{"macs", 1000}}}}, "magnitude"), "choose the scope structure"),
        std::pair(pruning({{"size", {{"parameters", 1500}}}}, "movement"), "single weights"),
        std::pair(pruning({{"size", {{"macs", 30000}}}}, "flop"), "flop counts parameters"),
        std::pair(pruning({{"size", {{"parameters", 10}}}}, "taylor"), "taylor cannot take away"),
        std::pair(pruning({{"size", {{"macs", 1e12}}}}, "taylor"), "meets the target as it is"),
        std::pair(pruning({{"latency", {{"milliseconds", 1}, {"profile", {{"length", 999}}}}}},
                          "taylor"),
                  "profile.length is 999"),
        std::pair(pruning({{"sparsity", 0.5}}, "taylor", {{{"name", "layer_match"}}}),
                  "teaches the task head")));

TEST_P(Refusal, ComesBeforeAnythingIsTrained) {
  input_.recipe = GetParam().first;
  EXPECT_THAT(std::string(refused(input_).message()), HasSubstr(GetParam().second));
}

// A job that is stopped in a phase and taken up again, as a folder's weights and the curves of its
// trainings.
class Stopped : public SmallJob, public ::testing::WithParamInterface<Json> {
 protected:
  std::string made(const std::string& stop_in) {
    std::filesystem::remove_all(input_.checkpoint_folder);
    input_.recipe = GetParam();
    std::string phase;
    JobHooks hooks;
    hooks.progress = [&](const JobProgress& at) { phase = at.phase; };
    hooks.preempted = [&] { return phase == stop_in; };
    if (!stop_in.empty()) {
      const absl::Status status = compress(input_, hooks).status();
      EXPECT_TRUE(absl::IsAborted(status)) << status;
    }
    const std::string folder = value_or_throw(compress(input_, {})).artifacts.front().folder;
    std::string out = value_or_throw(read_file(folder + "/model.safetensors"));
    for (const Json& one : value_or_throw(read_json(folder + "/report.json")).at("phases"))
      out += one.value("curve", Json()).dump();
    return out;
  }
};
INSTANTIATE_TEST_SUITE_P(Recipes, Stopped,
                         ::testing::Values(pruning({{"sparsity", 0.5}}, "flop"),
                                           pruning({{"size", {{"parameters", 6000}}}}, "cofi",
                                                   {{{"name", "layer_match"}},
                                                    {{"name", "soft_labels"}}}),
                                           pruning({{"sparsity", 0.5}}, "block_movement")));

TEST_P(Stopped, GoesOnToTheSameBits) {
  const std::string undisturbed = made("");
  for (const char* phase : {"prune", "recover"})
    EXPECT_EQ(made(phase), undisturbed) << "stopped in " << phase;
}

TEST_F(SmallJob, ReachesItsSparsityWithWhatDistillersLearnt) {
  const Json report = run(
      pruning({{"sparsity", 0.5}}, "cofi", {{{"name", "layer_match"}}, {{"name", "soft_labels"}}}));
  EXPECT_GE(report.at("compressed").at("sparsity").get<double>(), 0.5 - 1e-9);
  EXPECT_LT(report.at("phases")[1].at("fold_gap").get<double>(), 1e-4);
}

TEST_F(SmallJob, PrunesWithoutATrainingStep) {
  Json written = {{"recipe", "auto"},
                  {"target", {{"sparsity", 0.5}}},
                  {"pruner", {{"name", "fisher"}, {"options", {{"batches", 8}}}}},
                  {"distillers", Json::array({Json{{"name", "none"}}})},
                  {"exit", {{"name", "none"}}}};
  for (const char* phase : {"finetune", "prune", "recover"}) written[phase] = {{"epochs", 0}};
  const Json report = run(resolved(written));
  EXPECT_GE(report.at("compressed").at("sparsity").get<double>(), 0.5 - 1e-9);
  const Json& prune = report.at("phases")[1];
  EXPECT_EQ(prune.at("name").get<std::string>(), "prune");
  EXPECT_EQ(prune.at("steps").get<int>(), 0);
  EXPECT_LT(prune.at("fold_gap").get<double>(), 1e-4);
}

TEST(BatchLatency, IsLongerForMore) {
  const Model model = testing::tiny_model();
  const auto times =
      batch_latency({&model, &model}, {{1, 2, Precision::kFp32}, {256, 30, Precision::kFp32}});
  EXPECT_GT(times[0], 0);
  EXPECT_GT(times[1], 2 * times[0]);
}

TEST(LatencyTable, OfAMachineAddsUpToTheDenseModel) {
  const ModelConfig config = testing::tiny_config();
  const LatencyTable table =
      measure_latency_table(config, {64, 30, Precision::kFp32}, "here", nullptr);
  EXPECT_EQ(table.hidden.back(), 16);
  EXPECT_EQ(table.heads, (std::vector<double>{0, 1, 2, 3, 4}));
  EXPECT_EQ(table.neurons, (std::vector<double>{0, 1, 3, 6, 12, 24}));
  const Model model = random_model(config, 1);
  const double whole = batch_latency({&model}, {{64, 30, Precision::kFp32}}).front();
  const double sum = Cost(config, latency_cost(table, 3)).dense();
  EXPECT_GT(sum, whole / 3);
  EXPECT_LT(sum, whole * 3) << "the machine may be busy";
}

}  // namespace
}  // namespace espalier
