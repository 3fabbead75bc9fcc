#include "client/cli/job_document.h"

#include <gmock/gmock.h>

#include <limits>

#include "client/cli/app.h"
#include "client/cli/jobs_submit.h"
#include "client/cli/yaml_json.h"

namespace espalier::cli {
namespace {

using ::testing::HasSubstr;

// The job of `jobs submit` with these flags and this recipe file.
absl::StatusOr<v1::Job> job(const std::string& line, const std::string& yaml = "{}") {
  JobFlags flags;
  CLI::App app;
  add_job_flags(app, flags);
  app.parse(line);
  auto document = read_recipe_document(yaml, "recipe.yaml");
  if (!document.ok()) return document.status();
  if (auto status = apply_flags(flags, *document); !status.ok()) return status;
  return to_job(*document);
}

std::string message(const absl::StatusOr<v1::Job>& job) {
  return std::string(job.status().message());
}

TEST(Yaml, ReadsScalarsByTheCoreSchema) {
  EXPECT_EQ(
      *yaml_to_json("{a: 1, b: 1.5, c: 1e-4, d: true, e: yes, f: '1', g: ~, h: [x, 2]}", "y"),
      Json::parse(R"({"a":1,"b":1.5,"c":1e-4,"d":true,"e":"yes","f":"1","g":null,"h":["x",2]})"));
}

TEST(Yaml, NamesFileAndLineOfAMistake) {
  EXPECT_THAT(std::string(yaml_to_json("a: 1\nb: [", "r.yaml").status().message()),
              HasSubstr("r.yaml:"));
  EXPECT_THAT(std::string(yaml_to_json("a: 1\na: 2", "r.yaml").status().message()),
              HasSubstr("r.yaml:2: \"a\" stands here twice"));
}

TEST(Job, IsMadeOfFlags) {
  auto made =
      job("--model minilm --dataset sst2 --sparsity 0.6 --max-drop 1 --pruner taylor "
          "--pruner-option scope=head "
          "--distiller soft_labels --distiller-option soft_labels.temperature=2 --exit deebert "
          "--finetune-epochs 3 "
          "--prune-epochs 0.5 --recover-epochs 2 --exit-epochs 1 --seed 7 --max-length 64 "
          "--precision int8 "
          "--artifact small --label a=1");
  ASSERT_TRUE(made.ok()) << made.status();
  const auto& recipe = made->recipe();
  EXPECT_EQ(made->model(), "minilm");
  EXPECT_EQ(made->dataset(), "sst2");
  EXPECT_EQ(made->artifact_id(), "small");
  EXPECT_EQ(made->labels().at("a"), "1");
  EXPECT_EQ(recipe.target().sparsity(), 0.6);
  EXPECT_EQ(recipe.constraint().max_metric_drop(), 1);
  EXPECT_EQ(recipe.pruner().name(), "taylor");
  EXPECT_EQ(recipe.pruner().options().fields().at("scope").string_value(), "head");
  EXPECT_EQ(recipe.distillers(0).options().fields().at("temperature").number_value(), 2);
  EXPECT_EQ(recipe.exit().name(), "deebert");
  EXPECT_EQ(recipe.finetune().epochs(), 3);
  EXPECT_EQ(recipe.prune().epochs(), 0.5);
  EXPECT_EQ(recipe.recover().epochs(), 2);
  EXPECT_EQ(recipe.exits().epochs(), 1);
  EXPECT_EQ(recipe.seed(), 7u);
  EXPECT_EQ(recipe.max_length(), 64u);
  EXPECT_EQ(recipe.precision(), "int8");
}

TEST(Job, LeavesOutWhatIsNotGiven) {
  auto made = job("--model m");
  EXPECT_FALSE(made->recipe().has_pruner());
  EXPECT_FALSE(made->recipe().has_exit());
  EXPECT_EQ(made->recipe().distillers_size(), 0);
  EXPECT_FALSE(made->recipe().has_target());
}

TEST(Job, KnowsEveryTarget) {
  EXPECT_EQ(job("--speedup 5")->recipe().target().speedup().factor(), 5);
  EXPECT_EQ(job("--latency-ms 4")->recipe().target().latency().milliseconds(), 4);
  EXPECT_EQ(job("--size-bytes 1e7")->recipe().target().size().bytes(), 1e7);
}

TEST(Job, IsMadeOfARecipeFile) {
  auto made = job("", R"(
model: minilm
dataset: reviews
target: {sparsity: 0.6}
pruner: taylor
distillers: [soft_labels, {name: layer_match, options: {weight: 0.5}}]
exit: {name: deebert, options: {entropy: 0.2}}
prune: {epochs: 3, learning_rate: 1e-4}
labels: {team: search}
)");
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->recipe().pruner().name(), "taylor");
  EXPECT_EQ(made->recipe().distillers(1).options().fields().at("weight").number_value(), 0.5);
  EXPECT_EQ(made->recipe().prune().learning_rate(), 1e-4);
  EXPECT_EQ(made->labels().at("team"), "search");
}

TEST(Job, TakesFlagsOverTheFileAndSetOverFlags) {
  auto made =
      job("--dataset other --sparsity 0.5 --set recipe.target.sparsity=0.7 --set prune.epochs=2",
          "{dataset: d, target: {speedup: {factor: 2}}}");
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->dataset(), "other");
  EXPECT_EQ(made->recipe().target().sparsity(), 0.7);
  EXPECT_EQ(made->recipe().prune().epochs(), 2);
}

TEST(Job, ReachesIntoListsAndOptionsWithSet) {
  auto made =
      job("--distiller a --distiller b --set recipe.distillers.1.options.weight=2 --pruner p "
          "--set recipe.pruner.options.scope=neuron");
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->recipe().distillers(1).options().fields().at("weight").number_value(), 2);
  EXPECT_EQ(made->recipe().pruner().options().fields().at("scope").string_value(), "neuron");
  EXPECT_THAT(message(job("--distiller a --set recipe.distillers.1.name=b")),
              HasSubstr("no place in a list of 1"));
}

TEST(Job, RefusesUnknownFieldsByName) {
  EXPECT_THAT(message(job("", "prunner: taylor")),
              HasSubstr("recipe.yaml: unknown field \"prunner\"; known here: "));
  EXPECT_THAT(message(job("", "prune: {epoch: 3}")),
              HasSubstr("unknown field \"recipe.prune.epoch\""));
  EXPECT_THAT(message(job("--set recipe.target.sparse=1")),
              HasSubstr("\"recipe.target.sparse\"; known here: sparsity"));
  EXPECT_THAT(message(job("", "state: STATE_QUEUED")), HasSubstr("unknown field \"state\""));
}

TEST(Job, RefusesValuesOfTheWrongKind) {
  EXPECT_THAT(message(job("", "target: 0.6")),
              HasSubstr("\"recipe.target\" is 0.6, but it has fields: sparsity"));
  EXPECT_THAT(message(job("--set recipe.seed=soon")), HasSubstr("cannot be read"));
  EXPECT_THAT(message(job("--pruner-option scope")), HasSubstr("is not key=value"));
  EXPECT_THAT(message(job("--distiller a --distiller-option b.c=1")),
              HasSubstr("choose it with --distiller"));
}

TEST(Job, RefusesOptionsWithoutTheirMethod) {
  EXPECT_EQ(message(job("--pruner-option scope=head")), "--pruner-option needs --pruner");
  EXPECT_EQ(message(job("--exit-option entropy=0.2")), "--exit-option needs --exit");
  EXPECT_TRUE(job("--pruner-option scope=head", "pruner: taylor").ok());
  EXPECT_TRUE(job("--pruner-option scope=head --set pruner.name=taylor").ok());
}

TEST(Job, RefusesNumbersThatAreNotFinite) {
  Json document = {{"recipe", Json::object()}};
  JobFlags flags;
  flags.sparsity = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(apply_flags(flags, document).message(),
            "--sparsity is nan; it must be a finite number");
  flags = {};
  flags.prune_epochs = std::numeric_limits<double>::infinity();
  EXPECT_EQ(apply_flags(flags, document).message(),
            "--prune-epochs is inf; it must be a finite number");
}

TEST(Job, RefusesWhatYamlWritesForNoFiniteNumber) {
  EXPECT_EQ(message(job("--set prune.learning_rate=.inf")),
            "--set:1: prune.learning_rate is .inf; a number must be finite, and a text like it be "
            "quoted");
  EXPECT_THAT(message(job("", "seed: 1\nprune: {epochs: 1e999}")),
              HasSubstr("recipe.yaml:2: prune.epochs is 1e999; a number must be finite"));
  EXPECT_THAT(message(job("", "distillers: [{name: a, options: {weight: -.INF}}]")),
              HasSubstr("distillers.0.options.weight is -.INF"));
  EXPECT_THAT(message(job("--pruner taylor --pruner-option weight=.nan")),
              HasSubstr("--pruner-option:1: weight is .nan"));
  EXPECT_EQ(job("", "labels: {edge: '.inf'}")->labels().at("edge"), ".inf");
}

TEST(Job, RefusesTextThatStandsForNoFiniteNumber) {
  for (const char* word : {"nan", "NaN", "Infinity", "-Infinity", "inf", "'1e999'"}) {
    EXPECT_THAT(message(job(std::string("--set prune.learning_rate=") + word)),
                HasSubstr("recipe.prune.learning_rate is \""))
        << word;
  }
  EXPECT_EQ(job("--set prune.learning_rate='0.5'")->recipe().prune().learning_rate(), 0.5);
}

TEST(Job, ThatCannotBeReadIsWrongUsage) {
  for (const auto& made : {job("--set nonsense"), job("", "a: ["), job("", "prunner: taylor"),
                           job("--set recipe.seed=soon"), job("--exit-option a=1"), job_of({})}) {
    EXPECT_EQ(exit_code_of(made.status()), ExitCode::kUsage) << made.status();
  }
}

TEST(Job, NeedsAModel) { EXPECT_THAT(message(job_of({})), HasSubstr("give --model NAME")); }

}  // namespace
}  // namespace espalier::cli
