#include "core/spec/recipe.h"

#include "tests/core/spec/catalogue_fixture.h"
#include "tests/core/spec/scratch.h"

namespace espalier {
namespace {

using testing::Refuses;
using testing::sample_catalogue;

absl::StatusOr<Json> resolve(const char* written) {
  return resolve_recipe(Json::parse(written), sample_catalogue());
}
absl::Status refuse(const char* written) { return resolve(written).status(); }
RecipeSpec run(const char* written) {
  auto resolved = resolve(written);
  EXPECT_TRUE(resolved.ok()) << resolved.status();
  auto spec = read_recipe(*resolved);
  EXPECT_TRUE(spec.ok()) << spec.status();
  return *spec;
}

TEST(Recipe, AutoNeedsOnlyATarget) {
  const RecipeSpec spec = run(R"({"target": {"sparsity": 0.6}})");
  EXPECT_EQ(spec.recipe, "auto");
  EXPECT_EQ(spec.target.kind, TargetKind::kSparsity);
  EXPECT_EQ(spec.target.value, 0.6);
  EXPECT_EQ(spec.pruner.name, "taylor");
  EXPECT_EQ(spec.pruner.options["every"], 10);
  ASSERT_EQ(spec.distillers.size(), 1u);
  EXPECT_EQ(spec.distillers[0].name, "soft_labels");
  EXPECT_EQ(spec.exit.name, "deebert");
  EXPECT_EQ(spec.finetune.epochs, 2);
  EXPECT_EQ(spec.prune.epochs, 1.5);
  EXPECT_EQ(spec.recover.epochs, 1.5);
  EXPECT_EQ(spec.exits.epochs, 1);
  EXPECT_EQ(spec.exits.learning_rate, 1e-3);
  EXPECT_EQ(spec.prune.learning_rate, 5e-5);
  EXPECT_EQ(spec.max_length, std::nullopt);
  EXPECT_EQ(spec.seed, 1u);
  EXPECT_EQ(spec.max_metric_drop, -1);
  EXPECT_EQ(spec.exit_max_metric_drop, 1);
  EXPECT_LT(spec.finetune.dropout, 0);
}

TEST(Recipe, CarriesTheDigestsOfItsMethods) {
  Json resolved = *resolve(R"({"target": {"sparsity": 0.6}})");
  EXPECT_TRUE(resolved["pruner"].contains("digest") && resolved["exit"].contains("digest"));
  EXPECT_TRUE(resolved["distillers"][0].contains("digest"));
}

TEST(Recipe, KeepsWhatTheUserWrote) {
  const RecipeSpec spec = run(
      R"({"target": {"sparsity": 0.5}, "constraint": {"max_metric_drop": 2, "metric": "accuracy"},
    "pruner": {"name": "magnitude"}, "distillers": [{"name": "layer_match"}, {"name": "soft_labels"}],
    "finetune": {"epochs": 3, "batch_size": 64, "micro_batch_size": 16, "learning_rate": 1e-4, "dropout": 0.2},
    "prune": {"steps": 100, "warmup": 0, "clip": 0, "weight_decay": 0}, "calibration": {"max_metric_drop": 0.5},
    "max_length": 64, "seed": 7, "precision": "int8"})");
  EXPECT_EQ(spec.pruner.name, "magnitude");
  EXPECT_EQ(spec.distillers.size(), 2u);
  EXPECT_EQ(spec.max_metric_drop, 2);
  EXPECT_EQ(spec.finetune.micro_batch_size, 16);
  EXPECT_EQ(spec.finetune.dropout, 0.2);
  EXPECT_EQ(spec.prune.steps, 100);
  EXPECT_EQ(spec.prune.clip, 0);
  EXPECT_EQ(spec.prune.batch_size, 32);
  EXPECT_EQ(spec.exit_max_metric_drop, 0.5);
  EXPECT_EQ(spec.max_length, 64);
  EXPECT_EQ(spec.seed, 7u);
  EXPECT_EQ(spec.precision, Precision::kInt8);
}

TEST(Recipe, ResolvesToTheSameAgain) {
  for (
      const char* written :
      {R"({"target": {"sparsity": 0.6}})", R"({"recipe": "dense"})",
       R"({"target": {"sparsity": 0}})", R"({"recipe": "dense", "precision": "bf16"})",
       R"({"target": {"sparsity": 0.6}, "exit": {"name": "none"}, "distillers": [{"name": "none"}]})"}) {
    const Json once = *resolve(written);
    auto twice = resolve_recipe(once, sample_catalogue());
    ASSERT_TRUE(twice.ok()) << twice.status();
    EXPECT_EQ(*twice, once) << written;
  }
}

TEST(Recipe, MayLeaveMethodsOut) {
  const RecipeSpec spec = run(
      R"({"target": {"sparsity": 0.6}, "exit": {"name": "none"}, "distillers": [{"name": "none"}]})");
  EXPECT_EQ(spec.exit.name, "");
  EXPECT_EQ(spec.exits.epochs, 0);
  EXPECT_TRUE(spec.distillers.empty());
  const RecipeSpec exits_only = run(R"({"target": {"sparsity": 0}})");
  EXPECT_EQ(exits_only.pruner.name, "");
  EXPECT_EQ(exits_only.prune.epochs, 0);
  EXPECT_EQ(exits_only.recover.epochs, 0);
  EXPECT_EQ(exits_only.exit.name, "deebert");
}

TEST(Recipe, HasExitsWhereTheTaskCanLeaveEarly) {
  const Json written = {{"target", {{"sparsity", 0.6}}}};
  auto exit_for = [&](const char* task, const Json& recipe) {
    return resolve_recipe(recipe, sample_catalogue(), *find_task(task)).value()["exit"]["name"];
  };
  for (const char* task : {"text-classification", "image-classification"})
    EXPECT_EQ(exit_for(task, written), "deebert") << task;
  for (const char* task : {"regression", "multi-label-classification", "token-classification",
                           "fill-mask", "question-answering"})
    EXPECT_EQ(exit_for(task, written), "none") << task;
  Json asked = written;
  asked["exit"] = {{"name", "deebert"}};
  EXPECT_EQ(exit_for("regression", asked), "deebert");  // check_exit_method() refuses it
}

TEST(Recipe, DenseOnlyFineTunes) {
  const RecipeSpec spec = run(R"({"recipe": "dense", "distillers": []})");
  EXPECT_EQ(spec.finetune.epochs, 2);
  EXPECT_EQ(spec.prune.epochs + spec.recover.epochs + spec.exits.epochs, 0);
  EXPECT_EQ(spec.pruner.name + spec.exit.name, "");
  EXPECT_TRUE(spec.distillers.empty());
  EXPECT_EQ(spec.target.kind, TargetKind::kNone);
  EXPECT_THAT(refuse(R"({"recipe": "dense", "pruner": {"name": "taylor"}})"),
              Refuses("pruner has no place"));
  EXPECT_THAT(refuse(R"({"recipe": "dense", "target": {"sparsity": 0.5}})"),
              Refuses("target has no place"));
}

TEST(Recipe, RefusesWithWhatWouldWork) {
  const struct {
    const char *written, *message;
  } kCases[] = {
      {"{}", "needs a target"},
      {"[]", "must be an object"},
      {R"({"recipe": "tiny"})", "unknown recipe \"tiny\"; known: auto, dense"},
      {R"({"target": {"sparsity": 1.5}})",
       "target.sparsity is 1.5; it must be at least 0 and less than 1"},
      {R"({"target": {"sparsity": 1}})", "less than 1"},
      {R"({"target": {"sparsity": -0.1}})", "target.sparsity is -0.1"},
      {R"({"target": {"sparsity": "much"}})", "must be a number"},
      {R"({"target": {"sparsity": 0.5, "speedup": {"factor": 2}}})", "one goal"},
      {R"({"target": {"sparcity": 0.5}})", "unknown field target.sparcity; known: sparsity"},
      {R"({"target": {"speedup": {"factor": 0.5}}})",
       "target.speedup.factor is 0.5; it must be at least 1"},
      {R"({"target": {"latency": {}}})", "target.latency.milliseconds is missing"},
      {R"({"target": {"size": {}}})", "one of parameters, bytes, macs"},
      {R"({"target": {"speedup": {"factor": 2, "batch": 3}}})", "batch"},
      {R"({"target": {"speedup": {"factor": 2, "profile": {"batch": -3}}}})",
       "target.speedup.profile.batch is -3"},
      {R"({"target": {"sparsity": 0.5}, "prunner": {}})",
       "unknown field prunner; known: recipe, target"},
      {R"({"target": {"sparsity": 0.5}, "pruner": {"name": "cofl"}})",
       "unknown pruner \"cofl\"; known: magnitude, taylor"},
      {R"({"target": {"sparsity": 0.5}, "pruner": {"name": "none"}})",
       "but the pruner is \"none\""},
      {R"({"target": {"sparsity": 0.5}, "distillers": [{"name": "soft_labels"}, {"name": "soft_labels"}]})",
       "soft_labels twice"},
      {R"({"target": {"sparsity": 0.5}, "distillers": {"name": "x"}})", "must be a list"},
      {R"({"target": {"sparsity": 0.5}, "exit": {"name": "none"}, "exits": {"epochs": 2}})",
       "there is no exit method"},
      {R"({"target": {"sparsity": 0.5}, "finetune": {"epoch": 2}})",
       "unknown field finetune.epoch"},
      {R"({"target": {"sparsity": 0.5}, "finetune": {"batch_size": 0}})",
       "finetune.batch_size is 0"},
      {R"({"target": {"sparsity": 0.5}, "finetune": {"batch_size": 32, "micro_batch_size": 12}})",
       "must be a multiple of micro_batch_size, which is 12"},
      {R"({"target": {"sparsity": 0.5}, "recover": {"learning_rate": 0}})",
       "recover.learning_rate is 0; it must be above 0"},
      {R"({"target": {"sparsity": 0.5}, "prune": {"patience": 2}})", "recover.patience ends"},
      {R"({"target": {"sparsity": 0.5}, "exits": {"patience": 2}})", "exits.patience is 2"},
      {R"({"target": {"sparsity": 0.5}, "constraint": {"max_metric_drop": -1}})",
       "constraint.max_metric_drop is -1"},
      {R"({"target": {"sparsity": 0.5}, "max_length": 3})", "max_length is 3"},
      {R"({"target": {"sparsity": 0.5}, "seed": -1})", "seed is -1"},
      {R"({"target": {"sparsity": 0.5}, "precision": "fp16"})",
       "unknown precision \"fp16\"; known: fp32, bf16, int8"},
      {R"({"target": {"sparsity": 0.5}, "precision": 8})", "precision must be a string"},
  };
  for (const auto& c : kCases) EXPECT_THAT(refuse(c.written), Refuses(c.message)) << c.written;
}

TEST(Recipe, SaysWhatThisBuildCannotDoYet) {
  for (const char* written :
       {R"({"target": {"latency": {"milliseconds": 5, "profile": {"name": "gpu"}}}})"}) {
    EXPECT_TRUE(absl::IsUnimplemented(refuse(written))) << written;
  }
}

TEST(Recipe, KnowsTargetsOtherThanSparsity) {
  const RecipeSpec latency = run(
      R"({"target": {"latency": {"milliseconds": 4, "profile": {"batch": 32, "length": 128}}}})");
  EXPECT_EQ(latency.target.kind, TargetKind::kLatency);
  EXPECT_EQ(latency.target.value, 4);
  EXPECT_EQ(latency.target.rows, 32);
  EXPECT_EQ(latency.target.tokens, 128);
  const RecipeSpec speedup = run(R"({"target": {"speedup": {"factor": 5}}})");
  EXPECT_EQ(speedup.target.kind, TargetKind::kSpeedup);
  EXPECT_EQ(speedup.target.rows, 1) << "one row, as long as the data's are";
  EXPECT_EQ(speedup.target.tokens, 0);
  EXPECT_EQ(run(R"({"target": {"size": {"macs": 1e9}}})").target.kind, TargetKind::kMacs);
  EXPECT_EQ(run(R"({"target": {"size": {"parameters": 5e6}}})").target.kind,
            TargetKind::kParameters);
}

TEST(Recipe, PassesMilestonesTowardsItsGoal) {
  const RecipeSpec up = run(
      R"({"target": {"sparsity": 0.9, "milestones": [0.6, 0.8]}, "pruner": {"name": "taylor"}})");
  EXPECT_EQ(up.target.milestones, (std::vector<double>{0.6, 0.8}));
  EXPECT_EQ(up.exit.name, "") << "exits are trained for one model";
  const RecipeSpec down = run(R"({"target": {"size": {"bytes": 1e6}, "milestones": [3e6, 2e6]}})");
  EXPECT_EQ(down.target.kind, TargetKind::kBytes);
  EXPECT_EQ(down.target.milestones, (std::vector<double>{3e6, 2e6}));
  for (
      const auto& [written, message] : std::vector<std::pair<const char*, const char*>>{
          {R"({"target": {"sparsity": 0.9, "milestones": [0.8, 0.6]}})", "has 0.8 before 0.6"},
          {R"({"target": {"sparsity": 0.9, "milestones": [0.9]}})", "the goal itself"},
          {R"({"target": {"size": {"macs": 1e6}, "milestones": [1e5]}})", "must be falling"},
          {R"({"target": {"sparsity": 0.9, "milestones": [0]}})", "each above 0"},
          {R"({"target": {"sparsity": 0.9, "milestones": 0.5}})", "must be a list of numbers"},
          {R"({"target": {"milestones": [0.5]}})", "one goal"},
          {R"({"target": {"sparsity": 0.9, "milestones": [0.5]}, "exit": {"name": "deebert"}})",
           "exits are trained for one"},
          {R"({"target": {"size": {"bytes": 1e6}}, "exit": {"name": "deebert"}})",
           "counts the whole file"},
          {R"({"constraint": {"max_metric_drop": 1, "search": true}, "exit": {"name": "deebert"}})",
           "as much of the metric"},
          {R"({"recipe": "dense", "constraint": {"max_metric_drop": 1, "search": true}})",
           "constraint.search has no place in it"}}) {
    EXPECT_THAT(refuse(written), Refuses(message)) << written;
  }
}

TEST(Recipe, SearchesForTheSmallestModelThatKeepsADrop) {
  const RecipeSpec spec = run(R"({"constraint": {"max_metric_drop": 1, "search": true}})");
  EXPECT_TRUE(spec.search);
  EXPECT_EQ(spec.target.kind, TargetKind::kSparsity);
  EXPECT_EQ(spec.target.value, 0.95);
  EXPECT_EQ(spec.target.milestones.size(), 5u);
  EXPECT_EQ(spec.exit.name, "") << "exits would cost again what was chosen";
  EXPECT_EQ(run(R"({"target": {"sparsity": 0.5},
                    "constraint": {"max_metric_drop": 1, "confidence": 0.9}})")
                .confidence,
            0.9);
  for (
      const auto& [written, message] : std::vector<std::pair<const char*, const char*>>{
          {R"({"constraint": {"search": true}})", "which is not set; say how many points"},
          {R"({"target": {"sparsity": 0.5}, "constraint": {"max_metric_drop": 1, "search": true}})",
           "there are no milestones"},
          {R"({"target": {"sparsity": 0.5}, "constraint": {"confidence": 0.9}})",
           "constraint.confidence says how surely"}}) {
    EXPECT_THAT(refuse(written), Refuses(message)) << written;
  }
}

TEST(Recipe, ReadsTextsAsLongAsTheModelCan) {
  const RecipeSpec usual = run(R"({"recipe": "dense"})");
  EXPECT_EQ(*text_length(usual, 512), 128);
  EXPECT_EQ(*text_length(usual, 64), 64);
  const RecipeSpec asked = run(R"({"recipe": "dense", "max_length": 256})");
  EXPECT_EQ(*text_length(asked, 512), 256);
  EXPECT_EQ(*text_length(asked, 256), 256);
  EXPECT_THAT(text_length(asked, 64).status(),
              Refuses("max_length is 256, but the model has positions for 64 tokens; ask for at "
                      "most 64, or leave max_length out"));
}

TEST(Recipe, TakesProtosUnsetValues) {
  const RecipeSpec spec = run(
      R"({"recipe": "", "target": {"sparsity": 0.5}, "seed": 0, "max_length": 0, "precision": "", "distillers": [], "constraint": {}})");
  EXPECT_EQ(spec.seed, 1u);
  EXPECT_EQ(spec.precision, Precision::kFp32);
  EXPECT_EQ(spec.max_length, std::nullopt);
  EXPECT_EQ(spec.distillers.size(), 1u);
}

}  // namespace
}  // namespace espalier
