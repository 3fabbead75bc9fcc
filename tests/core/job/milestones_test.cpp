// One run, many sizes, and the choice among them.
#include <gmock/gmock.h>

#include <filesystem>
#include <set>

#include "tests/core/job/small_job.h"

namespace espalier {
namespace {

using ::testing::HasSubstr;

Json family(const char* pruner, const Json& constraint = Json::object(), int steps = 48) {
  Json written = {{"recipe", "auto"},
                  {"target", {{"sparsity", 0.7}, {"milestones", {0.3, 0.5}}}},
                  {"pruner", {{"name", pruner}}},
                  {"distillers", {{{"name", "soft_labels"}}, {{"name", "layer_match"}}}},
                  {"exit", {{"name", "none"}}},
                  {"constraint", constraint}};
  if (std::string(pruner) == "taylor") written["pruner"]["options"] = {{"interval", 2}};
  for (const char* phase : {"finetune", "recover"}) written[phase] = training(16);
  written["prune"] = training(steps);
  return resolved(written);
}

class Milestones : public SmallJob, public ::testing::WithParamInterface<const char*> {
 protected:
  Json report(size_t artifact) const {
    return value_or_throw(read_json(output_.artifacts.at(artifact).folder + "/report.json"));
  }
};
INSTANTIATE_TEST_SUITE_P(Pruners, Milestones,
                         ::testing::Values("taylor", "cofi", "movement", "block_movement", "flop",
                                           "ziplm", "dynabert", "fisher"));

TEST_P(Milestones, ArePublishedBesideTheTarget) {
  run(family(GetParam()));
  ASSERT_EQ(output_.artifacts.size(), 4u);
  const double wanted[] = {0.7, 0.3, 0.5};
  for (size_t i = 0; i < 3; ++i) {
    const Json own = report(i);
    const double reached = own.at("compressed").at("sparsity");
    EXPECT_GE(reached, wanted[i] - 1e-9) << i;
    EXPECT_LE(reached, wanted[i] + 0.19) << i;
    EXPECT_EQ(own.at("target").at("reached"), own.at("compressed").at("sparsity"));
    EXPECT_TRUE(own.contains("paired_test"));
    ASSERT_EQ(own.at("family").size(), 3u);
    EXPECT_EQ(own.at("family")[1].at("target").at("milestone").get<double>(), 0.3);
    EXPECT_EQ(own.at("target").at("asked").at("sparsity").get<double>(), wanted[i]);
  }
  EXPECT_EQ(report(0).at("compressed"), report(3).at("compressed")) << "the dense model's";
  std::vector<std::string> phases;
  const Json first = report(0);
  for (const Json& phase : first.at("phases")) phases.push_back(phase.at("name"));
  EXPECT_EQ(phases, (std::vector<std::string>{"finetune", "prune", "recover_1", "recover_2",
                                              "recover", "evaluate"}));
}

// Those that cannot reopen wait at a milestone, until the next cut.
TEST_P(Milestones, TakingThemLeavesTheRunOfOneThatReopensAsItWas) {
  if (std::set<std::string>{"taylor", "ziplm"}.contains(GetParam())) return;
  Json alone = family(GetParam());
  run(alone);
  const auto weights = [&] {
    return value_or_throw(read_file(output_.artifacts.front().folder + "/model.safetensors"));
  };
  const std::string taken = weights();
  alone["target"].erase("milestones");
  std::filesystem::remove_all(input_.checkpoint_folder);
  run(alone);
  EXPECT_EQ(weights(), taken);
}

TEST_P(Milestones, SurviveAStop) {
  const auto files = [&](const std::string& stop_in) {
    std::filesystem::remove_all(input_.checkpoint_folder);
    input_.recipe = family(GetParam());
    std::string phase;
    int64_t step = 0;
    JobHooks hooks;
    hooks.progress = [&](const JobProgress& at) {
      phase = at.phase;
      step = at.step;
    };
    hooks.checkpoint_seconds = 0;
    hooks.preempted = [&] { return phase == stop_in; };
    if (!stop_in.empty()) {
      const absl::Status status = compress(input_, hooks).status();
      EXPECT_TRUE(absl::IsAborted(status)) << status;
    }
    std::vector<std::string> out;
    for (const ArtifactOutput& artifact : value_or_throw(compress(input_, {})).artifacts)
      out.push_back(value_or_throw(read_file(artifact.folder + "/model.safetensors")));
    return out;
  };
  const auto undisturbed = files("");
  EXPECT_EQ(files("recover_1"), undisturbed);
  EXPECT_EQ(files("recover"), undisturbed);
}

// Where one cut would pass both of them, or there is no step at all.
TEST_F(SmallJob, MilestonesAreStopsOfTheRamp) {
  for (const bool steps : {true, false}) {
    Json recipe = family("taylor");
    recipe["pruner"]["options"]["interval"] = 48;
    if (!steps) {
      recipe["prune"]["epochs"] = 0;
      recipe["prune"].erase("steps");
    }
    std::filesystem::remove_all(input_.checkpoint_folder);
    const Json report = run(recipe);
    ASSERT_EQ(report.at("family").size(), 3u);
    const double wanted[] = {0.7, 0.3, 0.5};
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_GE(report.at("family")[i].at("sparsity").get<double>(), wanted[i] - 1e-9);
      EXPECT_LE(report.at("family")[i].at("sparsity").get<double>(), wanted[i] + 0.1);
    }
  }
}

TEST_F(SmallJob, MilestonesThatAreOneModelAreRefusedAndPassedOverByASearch) {
  Json recipe = family("drop_layers");  // of three layers
  recipe["target"] = {{"sparsity", 0.6}, {"milestones", {0.4, 0.5}}};
  input_.recipe = recipe;
  const absl::Status status = compress(input_, {}).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("leave the milestone 0.4 out"));
  recipe["constraint"] = {{"max_metric_drop", 100}, {"search", true}};
  std::filesystem::remove_all(input_.checkpoint_folder);
  EXPECT_GE(run(recipe).at("compressed").at("sparsity").get<double>(), 0.6);
}

TEST_F(SmallJob, ARefitIsKeptWhereItIsNoWorse) {
  Json recipe = family("taylor");
  recipe["refit"] = true;
  const Json report = run(recipe);
  const Json& refits = report.at("phases")[1].at("refits");
  ASSERT_EQ(refits.size(), 3u) << "of two milestones and the target";
  for (const Json& one : refits) {
    EXPECT_EQ(one.at("kept").get<bool>(),
              one.at("after").get<double>() >= one.at("before").get<double>());
  }
}

TEST_F(SmallJob, ARefitOfSingleWeightsIsRefusedAtOnce) {
  input_.recipe = family("movement");
  input_.recipe["refit"] = true;
  const absl::Status status = compress(input_, {}).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("refit solves whole matrices"));
}

// What a job lost on each size that it tried, from the smallest on.
std::vector<double> drops(const Json& report) {
  std::vector<double> out;
  for (const Json& phase : report.at("phases")) {
    if (phase.at("name") != "choose") continue;
    for (const Json& one : phase.at("tried")) out.push_back(one.at("drop"));
  }
  return out;
}

TEST_F(SmallJob, ASearchPublishesTheSmallestThatKeepsTheDrop) {
  const Json report = run(family("taylor", {{"max_metric_drop", 100}, {"search", true}}));
  EXPECT_EQ(output_.artifacts.size(), 2u);
  EXPECT_GE(report.at("compressed").at("sparsity").get<double>(), 0.7 - 1e-9);
  EXPECT_EQ(drops(report).size(), 1u) << "the first one holds";
  EXPECT_TRUE(report.at("constraint").at("report").at("holds").get<bool>());
}

// However large a drop is that holds, the smallest size that does is taken, and none says so.
TEST_F(SmallJob, ASearchGoesToLargerModelsWhileSmallerOnesLoseTooMuch) {
  const Json recipe = family("taylor", {{"max_metric_drop", 0}, {"search", true}});
  input_.recipe = recipe;
  JobHooks hooks;
  const auto out = compress(input_, hooks);
  if (!out.ok()) {
    EXPECT_TRUE(absl::IsFailedPrecondition(out.status())) << out.status();
    EXPECT_THAT(std::string(out.status().message()),
                ::testing::AnyOf(HasSubstr("no size keeps the constraint of 0 points"),
                                 HasSubstr("on the report split")));
    return;
  }
  const Json report = value_or_throw(read_json(out->artifacts.front().folder + "/report.json"));
  const auto tried = drops(report);
  for (size_t i = 0; i + 1 < tried.size(); ++i) EXPECT_GT(tried[i], 0) << "was passed over";
  EXPECT_LE(tried.back(), 0);
}

}  // namespace
}  // namespace espalier
